"""`bench generate`, `bench score`: single stages, on an existing output."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import (
    SIZE,
    choose_device,
    command_line,
    data_root_option,
    device_options,
    label_values_option,
    names,
    scoring_choice,
    scoring_options,
    threads_of,
)
from bench.core.errors import UsageError

if TYPE_CHECKING:
    from baselines.sizes import Size
    from bench.core.progress import Reporter
    from bench.data.types import DatasetCard, LabelValues
    from bench.launch.jobs import Until
    from bench.records.record import RunRecord
    from bench.spec.scoring_choice import ScoringChoice
    from bench.stages.data_in_use import Workbench


@click.command()
@click.argument("output", required=False, type=click.Path(path_type=Path), metavar="[OUT]")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="Translate new images with this checkpoint."
)
@click.option("--images", type=click.Path(path_type=Path), help="Folder of images to translate.")
@click.option("--to", "destination", type=click.Path(path_type=Path), help="New folder for the translations.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of test-time dropout, with --images.",
)
@click.option(
    "--dataset", metavar="CARD", help="Card of the --images that are label maps: a name, or a card.toml."
)
@label_values_option
@click.option(
    "--size",
    "size_px",
    type=SIZE,
    metavar="SIZE",
    help="With --images: 256, 512x256 or native; the size of training by default.",
)
@data_root_option
@device_options
@click.pass_obj
def generate(
    obj: dict[str, Any],
    output: Path | None,
    checkpoint: Path | None,
    images: Path | None,
    destination: Path | None,
    seed: int,
    dataset: str | None,
    label_values: LabelValues | None,
    size_px: Size | None,
    data_roots: tuple[str, ...],
    device: str,
    threads: int | None,
) -> None:
    """Predict the test split for the trained runs in OUT, or translate a folder of new images:

    \b
    bench generate OUT [--data-root DIR]
    bench generate --checkpoint FILE --images DIR --to DIR [--size native]
    """
    where = choose_device(device, threads)
    if size_px is not None and images is None:
        raise UsageError("expected --size with --images, found it without: a run keeps its size of training")
    if output is not None and checkpoint is None and images is None and destination is None:
        from bench.spec.scoring_choice import ScoringChoice

        if where == "cpu":
            threads_of({"threads": threads}, output)
        _again(
            output,
            data_roots,
            where,
            ScoringChoice(judge="none", allow_void=True),
            "generate",
            debug=obj["debug"],
        )
    elif output is None and checkpoint is not None and images is not None and destination is not None:
        card = _card(dataset) or _card_of_run(checkpoint)
        _translate(checkpoint, images, destination, seed, where, size_px, card, label_values)
    else:
        raise UsageError("expected either OUT, or --checkpoint FILE --images DIR --to DIR")


def _card_of_run(checkpoint: Path) -> DatasetCard | None:
    """The card of the data set that the run of a checkpoint was trained on, if it is a known one."""
    from bench.core.documents import DocumentError, read_json
    from bench.data.cards import card_names, load_card

    try:
        name = read_json(checkpoint.with_name("spec.json"))["data"]["name"]
    except (OSError, DocumentError, KeyError, TypeError):
        return None
    return load_card(name) if name in card_names() else None


def _translate(
    path: Path,
    images: Path,
    destination: Path,
    seed: int,
    device: str,
    size_px: Size | None,
    card: DatasetCard | None,
    label_values: LabelValues | None,
) -> None:
    import torch

    from baselines.settings import TestSettings
    from baselines.translate import load_checkpoint
    from bench.core.progress import Reporter
    from bench.data.image_folder import list_images, notes_on
    from bench.records.output_folder import check_writable
    from bench.stages.generate import translate_folder

    try:
        checkpoint = load_checkpoint(path, torch.device(device))
    except ValueError as error:
        raise UsageError(str(error)) from None
    check_writable(destination)
    with Reporter() as reporter:
        for note in notes_on(list_images(images)):
            reporter.say(note)
        count, aspect = translate_folder(
            checkpoint,
            images,
            destination,
            TestSettings(),
            seed,
            reporter.counter("translating"),
            size_px,
            card,
            label_values,
        )
    click.echo(f"{count} images in {destination}")
    if aspect is not None:
        click.echo(f"the aspect was changed: {aspect}; --size native, or WIDTHxHEIGHT, keeps it")


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="OUT | DIR...")
@click.option("--target", type=click.Path(path_type=Path), metavar="DIR", help="Targets; matched by stem.")
@click.option("--labels", type=click.Path(path_type=Path), metavar="DIR", help="Label maps: ids or colours.")
@click.option("--source", type=click.Path(path_type=Path), metavar="DIR", help="Sources of the predictions.")
@click.option(
    "--train-target", type=click.Path(path_type=Path), metavar="DIR", help="Training targets, for row 'real'."
)
@click.option("--dataset", metavar="CARD", help="Card with the classes and palette: a name, or a card.toml.")
@click.option("--direction", metavar="A2B", help="Such as photo2labels; the card's own by default.")
@click.option("--name", "row_names", metavar="LABELS", help="Names for the folders, comma-separated.")
@click.option(
    "--size", "size_px", type=SIZE, metavar="SIZE", help="Resize all images: 256 or 512x256 (WIDTHxHEIGHT)."
)
@click.option("--allow-missing", is_flag=True, help="Use only the stems that all folders have.")
@label_values_option
@click.option(
    "--as",
    "as_mode",
    type=click.Choice(["colour", "gray"]),
    help="Convert gray and colour images: gray repeated, or luminance.",
)
@click.option(
    "--data-range",
    metavar="LOW,HIGH",
    help="Range of 16-bit and float values; 0,65535 and that of the targets by default.",
)
@click.option("--judge-dataset", metavar="NAME", help="Train the judge on this data set's real photos.")
@data_root_option
@scoring_options
@device_options
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out"), show_default=True, help="Output, with DIR."
)
@click.pass_obj
def score(obj: dict[str, Any], /, folders: tuple[Path, ...], **options: Any) -> None:
    """Score the predictions in OUT again, or images from any tool, and write records and report:

    \b
    bench score OUT
    bench score DIR [DIR2 ...] --target DIR [--labels DIR --dataset cityscapes] [--out OUT]
    bench score results/NAME/test_latest/images       (of the released PyTorch code)
    """
    from bench.cli.outcome import finish

    device = choose_device(options["device"], options["threads"])
    choice = scoring_choice(options)
    again = len(folders) == 1 and _is_output(folders[0])
    if device == "cpu":
        threads_of(options, folders[0] if again else options["out"])
    if again:
        if given := [name for name in _FOREIGN_OPTIONS if options[name]]:
            option = {"size_px": "--size", "as_mode": "--as"}.get(given[0], f"--{given[0].replace('_', '-')}")
            raise UsageError(f"expected {option} with a folder of images, found the output {folders[0]}")
        records = _again(folders[0], options["data_roots"], device, choice, "score", debug=obj["debug"])
        finish(folders[0], records)
    else:
        finish(options["out"], _score_foreign(folders, options, device, choice))


_FOREIGN_OPTIONS = (
    "target", "labels", "source", "train_target", "dataset", "size_px", "judge_dataset", "label_values",
    "as_mode", "data_range",
)  # fmt: skip


def _is_output(folder: Path) -> bool:
    """Whether `folder` is an output of `bench run`, or does not exist."""
    return (folder / "runs").is_dir() or not folder.exists()


def _score_foreign(
    folders: tuple[Path, ...], options: dict[str, Any], device: str, choice: ScoringChoice
) -> list[RunRecord]:
    from bench.core.progress import Reporter
    from bench.core.resources import cache_dir
    from bench.data.cache import FileHashes
    from bench.records.output_folder import check_writable
    from bench.stages.imported.gather import ForeignRequest, gather
    from bench.stages.imported.score import ForeignScoring

    if output := next((folder for folder in folders if (folder / "records").is_dir()), None):
        raise UsageError(
            f"expected folders of images, or one output of `bench run`, found the output {output}: name "
            "the folders that it was scored from"
        )
    check_writable(options["out"])
    card = _card(options["dataset"] or options["judge_dataset"])
    chosen = {
        key: options[key]
        for key in (
            "target", "labels", "source", "train_target", "direction", "size_px", "allow_missing",
            "label_values", "as_mode",
        )
    }  # fmt: skip
    request = ForeignRequest(
        folders, names(options["row_names"]), card=card, data_range=_range(options["data_range"]), **chosen
    )
    with Reporter() as reporter:
        training = _judge_training(options, device, choice, reporter)
        images = gather(request, FileHashes(cache_dir() / "hashes" / "foreign.json"))
        if images.aspect_changed:
            reporter.say(f"the aspect is changed by --size: {images.aspect_changed}")
        for gap in images.matched.left_out:
            reporter.say(f"left out: {gap}; N = {len(images.matched.names)}")
        for note in images.notes:
            reporter.say(note)
        scoring = ForeignScoring(
            options["out"], cache_dir(), device, choice, training, command_line(), reporter
        )
        return scoring.run(images)


def _range(text: str | None) -> tuple[float, float] | None:
    """ "0,80" as lowest and highest value."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not -math.inf < low < high < math.inf:
        raise UsageError(f"expected --data-range LOW,HIGH such as 0,80, found '{text}'")
    return low, high


def _card(name: str | None) -> DatasetCard | None:
    from bench.data.cards import load_card, read_card

    if name is None:
        return None
    return read_card(Path(name)) if name.endswith(".toml") else load_card(name)


def _judge_training(
    options: dict[str, Any], device: str, choice: ScoringChoice, reporter: Reporter
) -> Workbench | None:
    """The data set with the real photos that train the judge; None if none was named."""
    from bench.core.resources import cache_dir
    from bench.data.open_dataset import open_dataset
    from bench.scoring.judges.choice import AUTO, NO_JUDGE, panel
    from bench.scoring.judges.external import is_adapter
    from bench.spec.given import data_roots
    from bench.spec.pairs_used import data_spec
    from bench.stages.data_in_use import Workbench

    name = options["judge_dataset"]
    if name is None:
        trained = [one for one in panel(choice.judge) if not is_adapter(one)]
        if trained and choice.judge not in (AUTO, NO_JUDGE):
            raise UsageError(
                f"expected --judge-dataset NAME with --judge {trained[0]}, to train it on real photos, "
                "found none"
            )
        return None
    dataset = open_dataset(name, root=data_roots(options["data_roots"], [name]).get(name))
    return Workbench(dataset, data_spec(dataset, None, None), cache_dir(), device, choice, reporter)


def _again(
    output: Path,
    data_roots: tuple[str, ...],
    device: str,
    choice: ScoringChoice,
    until: Until,
    *,
    debug: bool,
) -> list[RunRecord]:
    """Take the runs in `output` through their stages up to `until`, without training any."""
    from bench.cli.outcome import check_outcomes, records_of
    from bench.core.progress import Reporter
    from bench.launch.driver import run_grid
    from bench.launch.jobs import Launch
    from bench.records.output_folder import check_writable
    from bench.spec.trained import plans_of

    check_writable(output)
    plans = plans_of(output, data_roots)
    with Reporter() as reporter:
        launch = Launch(output, device, choice, command_line(), until, debug, again=True)
        outcomes = run_grid(plans, launch, reporter)
    check_outcomes(outcomes)
    return records_of(output, outcomes)

"""The harness from Python: each function is the command of its name, with that command's options as keywords.

    import bench

    rows = bench.run(variants="l1,l1+cgan", dataset="toycity", steps=200, size=32, out="out/first")
    rows = bench.score("predictions", "targets")
    images = bench.translate("out/first/runs/ID/checkpoint.safetensors", sources)
    rows = bench.load("out/first")

A keyword is an option without its dashes: `data_root` is `--data-root`, `test_dropout=False` is
`--no-test-dropout`. A list gives the values of an option that takes several. The values are bit for bit those
of the commands, because these are what runs. What a command refuses is raised as its one line: all errors are
`bench.core.errors.BenchError`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.costs import cost_of
from bench.cli.main import call, cli
from bench.core.errors import UsageError, unknown_name
from bench.core.images import save_png
from bench.data.image_file import decode
from bench.data.layouts.listing import natural
from bench.records.record import RunRecord, read_records

Value = str | int | float | bool | Path
Option = Value | Sequence[Value] | None
"""What a keyword takes; None is the option's default."""
Images = str | Path | NDArray[Any]
"""A folder, or images (N, H, W, C) or (N, H, W) uint8 or, with one channel, uint16."""


def run(*, out: str | Path = "out", **options: Option) -> pd.DataFrame:
    """Train, generate, score and report a grid of variants; finished work is skipped (`bench run`).

    Args:
        out: the output folder, or a URL.
        options: of `bench run`, such as variants, dataset, data_root, seeds, epochs or steps, size, judge.

    Returns: the records of the output, as `load` gives them; no rows after `dry_run=True` or for a URL.

    Raises:
        UsageError: for wrong usage or input; nothing is written then.
        RunFailedError: if a row failed; the others are in the output.
    """
    call(["run", "--out", str(out), *_arguments("run", options)])
    if options.get("dry_run") or "://" in str(out):
        return _table([])
    return load(out)


def score(
    predictions: Images | Sequence[str | Path] | Mapping[str, Images],
    targets: Images | None = None,
    *,
    out: str | Path | None = None,
    **options: Option,
) -> pd.DataFrame:
    """Score images from any tool, or the predictions of an output again (`bench score`).

    Args:
        predictions: folders of images (matched with the targets by stem), an array of images, or several of
            these by the names that rows get; or the output of a run, by itself.
        targets: folder or array. Images of an array belong together by their places.
        out: where records and report go; None: nowhere, only the table is given.
        options: of `bench score`, such as labels, dataset, metrics, judge.

    Returns: the records, as `load` gives them.

    Raises:
        UsageError: for wrong usage or input, or arrays of unequal lengths.
    """
    with tempfile.TemporaryDirectory(prefix="bench-score-") as temporary:
        folders, names = _folders(predictions, Path(temporary))
        words = ["score", *map(str, folders)]
        if targets is not None:
            words += ["--target", str(_folder(targets, Path(temporary) / "target"))]
        if names:
            words += ["--name", ",".join(names)]
        again = len(folders) == 1 and (folders[0] / "runs").is_dir()
        if again and out is not None:
            raise UsageError(
                f"expected the output {folders[0]} without out, found out={out}: it is scored in place"
            )
        to = Path(out) if out is not None else folders[0] if again else Path(temporary) / "out"
        call([*words, *([] if again else ["--out", str(to)]), *_arguments("score", options)])
        return load(to)


def translate(
    checkpoint: str | Path, images: Images | Sequence[NDArray[Any]], **options: Option
) -> list[NDArray[Any]]:
    """Translate images with a trained generator (`bench generate --checkpoint`).

    Args:
        checkpoint: such as OUT/runs/ID/checkpoint.safetensors.
        images: a folder, an array, or a list of images (H, W, C) or (H, W) of any sizes. They are resized to
            the size of training unless `size` says otherwise ("native" keeps each one's own).
        options: of `bench generate`: seed (of dropout at test time), size, dataset, label_values, device,
            threads.

    Returns: (H, W, C) uint8, uint16 or float32 of each image, as the command writes them: those of a folder
        in natural order (2.png before 10.png). The dropout of an image follows from the seed and its stem;
        image i of an array or a list has the stem that its place gives, from "000000" on.

    Raises:
        UsageError: for wrong usage or input.
    """
    with tempfile.TemporaryDirectory(prefix="bench-translate-") as temporary:
        to = Path(temporary) / "to"
        where = ["--images", str(_folder(images, Path(temporary) / "images")), "--to", str(to)]
        call(["generate", "--checkpoint", str(checkpoint), *where, *_arguments("generate", options)])
        return [decode(path).values for path in sorted(to.iterdir(), key=lambda path: natural(path.name))]


def load(out: str | Path, *, costs: bool = False) -> pd.DataFrame:
    """The records of an output or a published folder, a row each.

    Args:
        costs: also give, after the others, parameters, gflop, ms_per_image, peak_memory_mb and train_hours
            (`bench.analysis.costs.Cost`).

    Returns: columns id, kind ("run" or "reference"), label, dataset, direction, seed, status, error,
        size_px, steps, batch_size, base_filters, created, then a column for each metric key, NaN where it was
        not measured. `bench.records.record.read_records` gives all that a record holds.

    Raises:
        UsageError: if there are no records, or one cannot be read.
    """
    records = read_records(Path(out))
    table = _table(records)
    return table.join(pd.DataFrame([_cost(record) for record in records])) if costs else table


def _cost(record: RunRecord) -> dict[str, float]:
    found = cost_of([record])
    names = ("parameters", "gflop", "ms_per_image", "peak_memory_mb", "train_hours")
    return {name: float("nan" if (value := getattr(found, name, None)) is None else value) for name in names}


def _table(records: Sequence[RunRecord]) -> pd.DataFrame:
    rows = [_row(record) for record in records]
    keys = sorted({key for record in records for key in record.results})
    table = pd.DataFrame(rows, columns=[*_COLUMNS, *keys]).astype(dict.fromkeys(keys, "float64"))
    return table.astype({name: "Int64" for name in ("seed", "steps", "batch_size", "base_filters")})


_TRAINING = ("size_px", "steps", "batch_size", "base_filters")
_COLUMNS = (
    "id", "kind", "label", "dataset", "direction", "seed", "status", "error", *_TRAINING, "created",
)  # fmt: skip


def _row(record: RunRecord) -> dict[str, Any]:
    training = record.spec.get("training", {})
    values = {key: result.value for key, result in record.results.items()}
    about = {name: getattr(record, name) for name in _COLUMNS if name not in _TRAINING}
    return {**about, **{name: training.get(name) for name in _TRAINING}, **values}


def _arguments(command: str, options: Mapping[str, Option]) -> list[str]:
    """Keywords as the words of a command line.

    Raises:
        UsageError: for a keyword that is no option.
    """
    known = {
        word.removeprefix("--").replace("-", "_"): param
        for param in cli.commands[command].params
        if isinstance(param, click.Option)
        for word in param.opts
    }
    words: list[str] = []
    for name, value in options.items():
        if name not in known:
            raise unknown_name(f"option of bench.{command}", name, known, f"bench {command} --help")
        words += _words(known[name], value)
    return words


def _words(option: click.Option, value: Option) -> list[str]:
    if value is None:
        return []
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"expected True or False for {option.opts[0]}, found {value!r}")
        return [option.opts[0]] if value else [*option.secondary_opts]
    several = list(value) if isinstance(value, list | tuple | range | np.ndarray) else [value]
    if option.multiple:
        return [f"{option.opts[0]}={one}" for one in several]
    return [f"{option.opts[0]}={','.join(map(str, several))}"]


def _folders(
    predictions: Images | Sequence[str | Path] | Mapping[str, Images], place: Path
) -> tuple[list[Path], list[str]]:
    """Folders of images, and the names of their rows where these are given."""
    if isinstance(predictions, Mapping):
        there = [_folder(one, place / f"given-{number}") for number, one in enumerate(predictions.values())]
        return there, list(predictions)
    if isinstance(predictions, np.ndarray):
        return [_folder(predictions, place / "given")], ["given"]
    several = [predictions] if isinstance(predictions, str | Path) else predictions
    return [Path(one) for one in several], []


def _folder(images: Images | Sequence[NDArray[Any]], place: Path) -> Path:
    """The folder of images, or a new one at `place` that holds them as PNG: nothing is lost."""
    if isinstance(images, str | Path):
        return Path(images)
    place.mkdir()
    for number, image in enumerate(images):
        save_png(place / f"{number:06d}.png", _whole(np.asarray(image)))
    return place


def _whole(image: NDArray[Any]) -> NDArray[Any]:
    """(H, W, C) of an image.

    Raises:
        UsageError: if it is none that a PNG holds without loss.
    """
    whole = image[..., None] if image.ndim == 2 else image
    fits = whole.ndim == 3 and min(whole.shape) > 0
    if fits and (whole.dtype == np.uint8 and whole.shape[2] in (1, 3)):
        return whole
    if fits and (whole.dtype == np.uint16 and whole.shape[2] == 1):
        return whole
    raise UsageError(
        f"expected images (H, W, C) uint8 with 1 or 3 channels, or uint16 with one, found {image.shape} "
        f"{image.dtype}: convert them"
    )

"""What is published of a study: enough for anyone to check it, and no image of the data set.

FOLDER/records/                          the records, and their values by test image
FOLDER/report.md, figures/               tables and figures
FOLDER/figures/s1-generated.png          outputs for the first gallery images: generated images only
FOLDER/results.csv, differences.csv      the numbers
FOLDER/claims.json                       verdicts of the ledger, and the checks before publication
FOLDER/seal.json                         the hash of every file in records/
FOLDER/reproduced.json                   what came of making a run again, where that was done

`bench baseline FOLDER FILE` makes a baseline of it. What was published can be published again, from FOLDER
itself: by later code, with the images it has.
"""

from __future__ import annotations

import io
import itertools
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.analysis.entry import load_entries
from bench.analysis.panel import seats
from bench.analysis.rank_agreement import rank_agreements
from bench.analysis.rows import Row
from bench.analysis.sections import Section, sections
from bench.claims.by_panel import verdicts_by_panel
from bench.claims.ledger import load_ledger
from bench.claims.outputs import to_json
from bench.claims.sanity import Check, sanity
from bench.core.environment import commit_here
from bench.core.errors import UsageError
from bench.core.files import whole_folder, write_bytes, write_text
from bench.core.images import read_png, to_rgb8
from bench.records.output_folder import check_writable
from bench.records.record import RunRecord, read_per_image, read_records, write_record
from bench.records.reproduction import Reproduction, read_reproduction, reproduction_path
from bench.records.seal import write_seal
from bench.report.formats import Wanted
from bench.report.plots.style import new_figure, plain, style
from bench.report.render import write_report

_HEAD = "### Generated images: "
SHOWN = 4
"""Images a variant in the figure of generated ones, where they stand in one band."""
_ACROSS = 8  # columns of a band
_WIDE = 18  # letters of a title that fit a column


def publish(out: Path, folder: Path, update: bool = False) -> tuple[list[Check], list[str]]:
    """Write `folder` from the finished records of the output `out`, whole or not at all.

    Absolute paths in the commands of the records are cut to their last part: they mean nothing elsewhere.

    Returns:
        The checks before publication, and notes in words (records that were left out).

    Raises:
        UsageError: if nothing is finished, or `folder` cannot be written or exists and is not to be replaced.
    """
    if folder.exists() and not update:
        raise UsageError(f"expected no folder {folder}, found one: give --update to replace it")
    check_writable(folder.parent)
    records = read_records(out)
    kept = [record for record in records if record.status == "finished"]
    if not any(record.kind == "run" for record in kept):
        raise UsageError(f"expected finished runs in {out}, found none: nothing to publish")
    notes = [f"left out: {one.label} seed {one.seed} {one.status}" for one in records if one not in kept]
    with whole_folder(folder) as made:
        for record in kept:
            write_record(made, _for_others(record), read_per_image(out, record))
        found, made_again = sections(load_entries([out])[0]), read_reproduction(out)
        shown = {section.id: _figure(section) for section in found if _has_images(section, out)}
        write_report([made], made, Wanted(("md", "csv"), shown=shown))
        if made_again is not None:
            shutil.copyfile(reproduction_path(out), reproduction_path(made))
        checks = _write_claims(found, [made_again] if made_again else [], made / "claims.json")
        for section in found:
            _write_generated(section, out, made)
        write_seal(made)
    return checks, notes


def _for_others(record: RunRecord) -> RunRecord:
    """The record without its images, which stay behind, and without paths of this machine."""
    return replace(
        record,
        gallery=None,
        environment=_without_paths(record.environment),
        details=_without_paths(record.details),
    )


def _without_paths(held: Any) -> Any:
    """`held`, with the commands in it cut (`_last_part`), however deep they are."""
    if isinstance(held, dict):
        return {
            key: shlex.join(map(_last_part, shlex.split(value)))
            if key == "command" and isinstance(value, str)
            else _without_paths(value)
            for key, value in held.items()
        }
    return [_without_paths(value) for value in held] if isinstance(held, list) else held


_ABSOLUTE = re.compile(r"(?:(?<=[=:,])|^)(?!//)[/~][^=:,]*")


def _last_part(word: str) -> str:
    """`/data/cityscapes` -> `cityscapes`, also in `NAME=DIR`, `--flag=DIR` and `NAME=KIND:FILE,OPTION=VALUE`;
    other words, URLs among them, as they are."""
    return _ABSOLUTE.sub(lambda found: Path(found[0]).name, word)


def _write_claims(found: Sequence[Section], made_again: Sequence[Reproduction], path: Path) -> list[Check]:
    checks = sanity(found, made_again)
    ranks = [asdict(one) for section in found for one in rank_agreements(seats(section))]
    more = {"agreement": ranks} if ranks else {}
    write_text(
        path, to_json(verdicts_by_panel(load_ledger(), found), checks, judged_by=commit_here(), **more)
    )
    return checks


def _write_generated(section: Section, out: Path, folder: Path) -> None:
    """The figure, and a part of `report.md` that shows it; from what was published, as it was."""
    bands = _bands([row for row in section.rows if _gallery(row)])
    rows = [row for band in bands for row in band]
    names = _gallery(rows[0])[: SHOWN if len(bands) == 1 else SHOWN // 2] if rows else ()
    name, before = _figure(section), out / "report.md"
    if names:
        write_bytes(folder / name, _generated(bands, names, out))
        _add_to_report(
            folder,
            f"\n{_HEAD}{section.title}\n\n"
            f"Test images {', '.join(names)}, the first of the fixed gallery; the first seed of each "
            f"variant: {', '.join(row.label for row in rows)}; none was chosen by its result.\n\n"
            f"![Generated images]({name})\n",
        )
    elif (out / name).is_file() and before.is_file():
        shutil.copyfile(out / name, folder / name)
        _, mark, said = before.read_text(encoding="utf-8").partition(f"\n{_HEAD}{section.title}\n")
        _add_to_report(folder, mark + said.partition(f"\n{_HEAD}")[0])


def _figure(section: Section) -> str:
    return f"figures/{section.id}-generated.png"


def _has_images(section: Section, out: Path) -> bool:
    """Whether there are generated images to show, or a figure of them from before."""
    return any(map(_gallery, section.rows)) or (out / _figure(section)).is_file()


def _add_to_report(folder: Path, said: str) -> None:
    report = folder / "report.md"
    before = report.read_text(encoding="utf-8").rstrip("\n")
    write_text(report, f"{before}\n\n{said.strip()}\n")


def _bands(rows: Sequence[Row]) -> list[list[Row]]:
    """The columns of the figure, in bands below one another; the lengths of a variant stay together."""
    bands: list[list[Row]] = []
    for _, alike in itertools.groupby(rows, key=lambda row: row.variant):
        own = list(alike)
        if bands and len(bands[-1]) + len(own) <= _ACROSS:
            bands[-1] += own
        else:
            bands += [own[start : start + _ACROSS] for start in range(0, len(own), _ACROSS)]
    return bands


def _generated(bands: Sequence[Sequence[Row]], names: Sequence[str], out: Path) -> bytes:
    """A PNG file: columns are variants (their first seed), rows the first images of the fixed gallery."""
    across, high = max(map(len, bands)), len(names)
    with style():
        figure = new_figure(1.7 * across, (1.7 * high + 0.3) * len(bands))
        axes = figure.subplots(high * len(bands), across, squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for number, band in enumerate(bands):
            for column, row in enumerate(band):
                gallery = row.first.gallery
                for line, name in enumerate(names, start=high * number):
                    if gallery is not None and gallery.predictions is not None:
                        image = to_rgb8(read_png(out / gallery.predictions / f"{name}.png"))
                        axes[line][column].imshow(image)
                title = plain(row.label, 24)
                size = {"fontsize": 7} if len(title) > _WIDE else {}
                axes[high * number][column].set_title(title, **size)
        held = io.BytesIO()
        figure.savefig(held, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return held.getvalue()


def _gallery(row: Row) -> tuple[str, ...]:
    gallery = row.first.gallery
    return gallery.names if gallery is not None and gallery.predictions is not None else ()

"""What the report shows beside the predictions: sources, targets and labels of picked images, and the
judge's segmentation of each output. Runs after scoring, because images are picked by their result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import Size
from bench.analysis.entry import Entry, load_entries
from bench.analysis.picks import pick_metrics, picked_names
from bench.analysis.sections import Section, sections
from bench.core.files import write_text
from bench.core.images import read_png, to_rgb8, write_palette_png
from bench.data.types import SplitArrays
from bench.records.gallery import (
    CLASSES,
    JUDGE,
    gallery_of,
    judge_fits,
    judge_stamp,
    labels_folder,
    segmentation_folder,
)
from bench.records.output_folder import write_gallery
from bench.records.record import RunRecord
from bench.scoring.one_pass import images_at_once
from bench.spec.run_spec import DataSpec
from bench.stages.data_in_use import Workbench

Prediction = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class Scene:
    """A test split as it was scored.

    Attributes:
        data: which pairs, as in the records.
        size_px: size of the images.
        test: the split.
        palette: class name -> colour, in the order of train ids; empty without classes.
        judge: returns the segmentation network that scored it, or None; called only if needed.
        has_sources: whether `test.source` holds images.
        predictions: of records with outputs elsewhere, by index in the test split.
    """

    data: DataSpec
    size_px: Size
    test: SplitArrays
    palette: dict[str, tuple[int, int, int]]
    judge: Callable[[], Any] = lambda: None
    has_sources: bool = True
    predictions: Mapping[str, Prediction] = field(default_factory=dict)


def scene_of(bench: Workbench, size_px: Size) -> Scene:
    """The test split of an opened data set at `size_px`, and its judge if there is one."""
    palette = {entry.name: entry.colour for entry in bench.dataset.card.train_classes}
    return Scene(bench.spec, size_px, bench.test(size_px), palette, lambda: bench.judges.open(size_px)[0][0])


def illustrate(out: Path, scenes: Iterable[Scene]) -> None:
    """Write the images of these test splits that the report on `out` will show; existing files stay."""
    found = sections(load_entries([out])[0])
    for scene in scenes:
        for section in found:
            if _belongs(section, scene):
                _illustrate(out, section, scene)


def _belongs(section: Section, scene: Scene) -> bool:
    known = section.test_n, section.dataset, section.direction, section.size_px
    spec = scene.data
    files = {entry.record.spec["data"].get("test_fingerprint") for entry in section.entries}
    return spec.test_fingerprint in files and known == (
        spec.test_n, spec.name, spec.direction, scene.size_px
    )  # fmt: skip


def _illustrate(out: Path, section: Section, scene: Scene) -> None:
    shown = [e for row in section.rows for e in row.entries if e.record.gallery]
    reals = [e for row in section.references if row.label == "real" for e in row.entries if e.record.gallery]
    if not shown:
        return
    places = {name: place for place, name in enumerate(scene.test.names)}
    files = gallery_of(shown[0].record)
    usual = [name for name in dict.fromkeys([*files.names, *picked_names(section)]) if name in places]
    # For any metric that a reader may pick by: `bench report --picks` has no test images.
    every = [name for name in picked_names(section, pick_metrics(section)) if name in places]
    names = list(dict.fromkeys([*usual, *every]))
    at = [places[name] for name in names]
    if scene.has_sources:
        write_gallery(out / files.sources, names, (scene.test.source[i] for i in at))
    write_gallery(out / files.targets, names, (scene.test.target[i] for i in at))
    for entry in shown:
        _write_outputs(out, entry, scene, names, at)
    if scene.palette and scene.test.labels is not None:
        _write_labels(out, labels_folder(files), scene, names, at)
    for entry in (*shown, *reals[-1:]):
        _write_seen(out, entry, scene, usual, at[: len(usual)])


def _write_outputs(out: Path, entry: Entry, scene: Scene, names: list[str], at: list[int]) -> None:
    """Write picked outputs of a record that are stored elsewhere beside those of its gallery."""
    prediction, folder = scene.predictions.get(entry.record.id), gallery_of(entry.record).predictions
    if prediction is not None and folder is not None:
        write_gallery(out / folder, names, (prediction(i) for i in at))


def _write_labels(out: Path, folder: Path, scene: Scene, names: list[str], at: list[int]) -> None:
    labels, colours = scene.test.labels, _colours(scene)
    assert labels is not None
    for name, i in zip(names, at, strict=True):
        if not (path := out / folder / f"{name}.png").is_file():
            write_palette_png(path, np.array(labels[i]), colours)
    listed = out / folder.parent / CLASSES
    if not listed.is_file():
        write_text(listed, json.dumps(scene.palette, indent=1) + "\n")


def _write_seen(out: Path, entry: Entry, scene: Scene, names: list[str], at: list[int]) -> None:
    """Write the judge's segmentation of a record's outputs, unless another judge scored it or all exist."""
    record, folder = entry.record, segmentation_folder(entry.record)
    stamp, fits = judge_stamp(record), judge_fits(out, record)
    todo = {
        name: i
        for name, i in zip(names, at, strict=True)
        if not (fits and (out / folder / f"{name}.png").is_file())
    }
    if stamp["judge"] is None or not todo:
        return
    judge = scene.judge()
    if judge is None or judge.hash != stamp["judge"]:
        return
    step = images_at_once(scene.size_px)
    for start in range(0, len(todo), step):
        outputs = {
            name: image
            for name, i in list(todo.items())[start : start + step]
            if (image := _output(out, record, scene, name, i)) is not None
        }
        _segment(out / folder, judge, outputs, _colours(scene))
    write_text(out / folder / JUDGE, json.dumps(stamp) + "\n")


def _segment(
    folder: Path, judge: Any, outputs: Mapping[str, NDArray[np.uint8]], colours: NDArray[np.uint8]
) -> None:
    """Write `<name>.png` with the judge's segmentation of each (H, W, 3) output."""
    import torch

    if not outputs:
        return
    stacked = torch.from_numpy(np.stack(list(outputs.values()))).permute(0, 3, 1, 2)
    seen = judge.segment(stacked).cpu().numpy().astype(np.uint8)
    for name, train_ids in zip(outputs, seen, strict=True):
        write_palette_png(folder / f"{name}.png", train_ids, colours)


def _output(out: Path, record: RunRecord, scene: Scene, name: str, index: int) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8: the scored output; None if its file is gone."""
    if record.kind != "run":
        return to_rgb8(np.array(scene.test.target[index]))
    folder = gallery_of(record).predictions
    if folder is None:
        return None
    try:
        return to_rgb8(read_png(out / folder / f"{name}.png"))
    except OSError:
        return None


def _colours(scene: Scene) -> NDArray[np.uint8]:
    return np.array(list(scene.palette.values()), np.uint8)

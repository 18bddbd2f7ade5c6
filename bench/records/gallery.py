"""Where the images of a record's gallery lie, and whether the judge's segmentations belong to them."""

from __future__ import annotations

import json
from pathlib import Path

from bench.records.record import GalleryFiles, RunRecord

CLASSES, JUDGE = "classes.json", "judge.json"  # beside the images that `bench.run.illustrate` writes


def gallery_of(record: RunRecord) -> GalleryFiles:
    assert record.gallery is not None
    return record.gallery


def labels_folder(files: GalleryFiles) -> Path:
    """Where the true label maps of the gallery's and the picked images lie, relative to the output."""
    return Path(files.sources).parent / "labels"


def segmentation_folder(record: RunRecord) -> Path:
    """Where lies what the judge sees in the outputs of a record, relative to the output."""
    return Path(gallery_of(record).sources).parent / "segmentation" / record.id


def judge_fits(out: Path, record: RunRecord) -> bool:
    """Whether the segmentations at hand are by the judge that the record was scored by, of its outputs."""
    stamp = read_json_or_none(out / segmentation_folder(record) / JUDGE)
    return isinstance(stamp, dict) and stamp == judge_stamp(record)


def judge_stamp(record: RunRecord) -> dict[str, str | None]:
    """What the segmentations of a record depend on: the judge, and the outputs."""
    scored = record.results.get("fcn_pixel_acc")
    judge = scored.protocol.get("judge_hash") if scored is not None and scored.value is not None else None
    return {"judge": judge, "predictions": record.details.get("predictions", record.spec.get("predictions"))}


def read_json_or_none(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

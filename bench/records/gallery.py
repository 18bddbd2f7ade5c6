"""Folders of a record's gallery images, and whether the judge's segmentations belong to these images."""

from __future__ import annotations

import json
from pathlib import Path

from bench.records.record import GalleryFiles, RunRecord

CLASSES, JUDGE = "classes.json", "judge.json"  # beside the images that `bench.stages.illustrate` writes


def gallery_of(record: RunRecord) -> GalleryFiles:
    assert record.gallery is not None
    return record.gallery


def labels_folder(files: GalleryFiles) -> Path:
    """The folder of the true label maps of gallery and picked images, relative to the output."""
    return Path(files.sources).parent / "labels"


def segmentation_folder(record: RunRecord) -> Path:
    """The folder of the judge's segmentations of a record's images, relative to the output."""
    return Path(gallery_of(record).sources).parent / "segmentation" / record.id


def judge_fits(out: Path, record: RunRecord) -> bool:
    """Whether the stored segmentations are of the record's images and by the judge that scored it."""
    stamp = read_json_or_none(out / segmentation_folder(record) / JUDGE)
    return isinstance(stamp, dict) and stamp == judge_stamp(record)


def judge_stamp(record: RunRecord) -> dict[str, str | None]:
    """What a record's segmentations depend on: the judge and the images."""
    scored = record.results.get("fcn_pixel_acc")
    judge = scored.protocol.get("judge_hash") if scored is not None and scored.value is not None else None
    return {"judge": judge, "predictions": record.details.get("predictions", record.spec.get("predictions"))}


def read_json_or_none(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

"""The judges that were trained here: how well they label held-out real photos, and what they have seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.analysis.sections import Section
from bench.records.panel import panel_of

_SCORES = (("pixel_acc", "Pixel accuracy"), ("class_acc", "Class accuracy"), ("class_iou", "Class IoU"))
NO_VALUE = "–"


@dataclass(frozen=True)
class JudgeView:
    """A trained judge of a section.

    Attributes:
        title: "fcn-small at 64 px".
        facts: (name, value): what it is, how it was trained, its scores on held-out real photos.
        classes: (class, accuracy, IoU) on these, in the data set's order; "–" for a class that does not
            occur in them.
        warning: a sentence where test photos are among its training photos, else "".
    """

    title: str
    facts: list[tuple[str, str]]
    classes: list[tuple[str, str, str]]
    warning: str


def judges(section: Section) -> list[JudgeView]:
    """One view a trained judge, by its hash; none for judges that others trained."""
    found: dict[str, Mapping[str, Any]] = {}
    for record in section.finished:
        for meta in (record.details.get("judge") or {}, *(one.judge for one in panel_of(record))):
            if isinstance(meta.get("held_out"), Mapping):
                key = str(meta.get("hash"))
                if key not in found or _in_common(meta) > _in_common(found[key]):
                    found[key] = meta
    return [_view(meta) for meta in found.values()]


def seen_statements(section: Section) -> list[str]:
    """A warning for each judge that was trained on photos it scores."""
    return [judge.warning for judge in judges(section) if judge.warning]


def _in_common(meta: Mapping[str, Any]) -> int:
    """-1 where nothing was compared (records of older versions)."""
    return int((meta.get("seen") or {}).get("in_common", -1))


def _view(meta: Mapping[str, Any]) -> JudgeView:
    title = str(meta.get("network") or meta.get("name") or "of unknown name")
    title += f" at {meta['size_px']} px" if meta.get("size_px") else ""
    held = meta["held_out"]
    accuracies, ious = held.get("per_class_acc") or {}, held.get("per_class_iou") or {}
    facts = [
        ("Network", str(meta.get("network") or "")),
        ("Hash", str(meta.get("hash") or "")),
        ("Parameters", _count(meta.get("parameters"))),
        ("Image size", f"{meta['size_px']} px" if meta.get("size_px") else ""),
        ("Training steps", _count((meta.get("recipe") or {}).get("steps"))),
        ("Trained on", _photos(meta.get("train_n"))),
        ("Held out", _photos(meta.get("held_out_n"))),
        *((f"{name}, held out", _share(held.get(key))) for key, name in _SCORES if key in held),
        ("Test photos seen in training", _seen(meta.get("seen"))),
    ]
    order = [name for name in meta.get("classes") or accuracies if name in accuracies]
    classes = [(str(name), _share(accuracies[name]), _share(ious.get(name))) for name in order]
    return JudgeView(title, [(name, value) for name, value in facts if value], classes, _warning(title, meta))


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def _photos(count: Any) -> str:
    return f"{count} real photos of the training split" if isinstance(count, int) else ""


def _share(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else NO_VALUE


def _seen(seen: Mapping[str, Any] | None) -> str:
    """ "0 of 100 (compared with all 400 photos of the training split: sha256 of ...)"."""
    if not seen:
        return ""
    against = f"compared with all {seen['training_photos']} photos of its training split: {seen['compared']}"
    return f"{seen['in_common']} of {seen['test_photos']} ({against})"


def _warning(title: str, meta: Mapping[str, Any]) -> str:
    seen = meta.get("seen") or {}
    if _in_common(meta) < 1:
        return ""
    return (
        f"The judge {title} is no independent one: {seen['in_common']} of the {seen['test_photos']} test "
        "photos are in the split that it was trained on. Read its scores with care."
    )

"""The facts of a section's runs, as a reader asks for them: data, sizes, seeds, judge, machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from baselines.sizes import words_of_size
from bench.analysis.sections import Section, words_of_direction
from bench.records.record import RunRecord

_MANY = 6


def facts(section: Section) -> list[tuple[str, str]]:
    """(name, value) pairs; what no record tells is left out, what differs between records is listed."""
    records = [entry.record for entry in section.entries]
    runs = [record for record in records if record.kind == "run"] or records
    found = [
        ("Data set", section.dataset),
        ("Direction", words_of_direction(section.direction)),
        ("Source", "" if section.source == "paired" else f"derived: {section.source}"),
        ("Training pairs", _of_data(runs, "train_n")),
        ("Test images", _of_data(records, "test_n")),
        ("Image size", words_of_size(section.size_px) if section.size_px else ""),
        ("Aspect changed", _aspect(records)),
        ("Padding", _padding(runs)),
        ("Void share", _void_share(records)),
        ("Steps", _of_training(runs, "steps")),
        ("Epochs", _listed(_epochs(record) for record in runs)),
        ("Batch size", _of_training(runs, "batch_size")),
        ("Base filters", _of_training(runs, "base_filters")),
        ("Starts from", _of_training(runs, "init_from")),
        ("Seeds", _listed(sorted({r.seed for r in runs if r.seed is not None}))),
        ("Validation", _listed(_validation(record) for record in runs)),
        ("Step scored", _listed(_choice(record) for record in runs)),
        ("Judge", _listed(_judge(record) for record in records)),
        ("Device", _listed(_device(record) for record in records)),
        ("Commit", _listed(_commit(record) for record in records)),
        ("Software", _listed(_software(record) for record in records)),
        ("Scored", _dates(records)),
    ]
    return [(name, value) for name, value in found if value]


def measured_protocol(section: Section) -> str:
    """One line to set against a paper's: size, epochs, batch, N and judge of the runs here."""
    records = section.finished
    runs = [record for record in records if record.kind == "run"] or records
    judge = _listed(_judge(record) for record in records)
    parts = [
        words_of_size(section.size_px) if section.size_px else "",
        f"aspect changed: {aspect}" if (aspect := _aspect(records)) else "",
        f"padded {padding}" if (padding := _padding(runs)) else "",
        _with_unit(_of_data(runs, "train_n"), "training pairs"),
        _with_unit(_listed(_epochs(record) for record in runs), "epochs"),
        f"batch size {batch}" if (batch := _of_training(runs, "batch_size")) else "",
        f"{filters} base filters" if (filters := _of_training(runs, "base_filters")) else "",
        _with_unit(_of_data(records, "test_n"), "test images"),
        f"judge: {judge}" if judge else "",
        f"step: {step}" if (step := _listed(_choice(record) for record in runs)) else "",
    ]
    return ", ".join(part for part in parts if part)


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}" if text else ""


def _listed(values: Iterable[object]) -> str:
    """Distinct values in order, a few of many."""
    known = list(dict.fromkeys(str(value) for value in values if value not in (None, "")))
    if len(known) > _MANY:
        return f"{', '.join(known[:_MANY])} and {len(known) - _MANY} more"
    return ", ".join(known)


def _of_data(records: list[RunRecord], name: str) -> str:
    return _listed(record.spec["data"].get(name) or None for record in records)


def _of_training(records: list[RunRecord], name: str) -> str:
    return _listed(record.spec.get("training", {}).get(name) for record in records)


def _epochs(record: RunRecord) -> str:
    training, data = record.spec.get("training", {}), record.spec["data"]
    seen = (training.get("steps") or 0) * (training.get("batch_size") or 0)
    return f"{seen / data['train_n']:.3g}" if seen and data.get("train_n") else ""


def _void_share(records: list[RunRecord]) -> str:
    found = ((record.details.get("data") or {}).get("void_share") for record in records)
    shares = {share for share in found if share is not None}
    words = "of the test labels' pixels belong to no class"
    return f"{', '.join(f'{share:.1%}' for share in sorted(shares))} {words}" if shares else ""


def _aspect(records: list[RunRecord]) -> str:
    """What the aspect of images was changed from and to."""
    return _listed((record.details.get("data") or {}).get("aspect_changed") for record in records)


def _padding(records: list[RunRecord]) -> str:
    return _listed(record.details.get("padding") for record in records)


def _validation(record: RunRecord) -> str:
    held = record.spec["data"].get("val_n")
    if held:
        return f"{held} training pairs held out"
    own = record.details.get("validation") or {}
    return f"{own['n']} pairs of its own split" if own else ""


def _choice(record: RunRecord) -> str:
    """ "best ssim on validation images, a departure from the paper"; "" where the last step is taken."""
    choice = record.spec.get("choice")
    if not choice:
        return ""
    best = f"best {choice['metric']} on validation images, every {choice['every']} steps"
    return f"{best} (a departure: the paper takes the last)"


def _judge(record: RunRecord) -> str:
    """ "fcn-small at 64 px, 3f2a81c0 (held-out pixel accuracy 0.84, class IoU 0.25)"."""
    meta: dict[str, Any] = record.details.get("judge") or {}
    name = meta.get("network") or meta.get("name") or meta.get("judge")
    if not name:
        return ""
    size = f" at {meta['size_px']} px" if meta.get("size_px") else ""
    digest = f", hash {str(meta['hash'])[:8]}" if meta.get("hash") else ""
    held = meta.get("held_out") or {}
    words = (("pixel_acc", "pixel accuracy"), ("class_iou", "class IoU"))
    known = [f"{said} {held[key]:.2f}" for key, said in words if isinstance(held.get(key), int | float)]
    return f"{name}{size}{digest}" + (f" (held-out real photos: {', '.join(known)})" if known else "")


def _device(record: RunRecord) -> str:
    """ "NVIDIA H100", "cpu (AMD EPYC)", or "cpu" in records that do not tell the processor."""
    device, processor = (record.environment.get(name) for name in ("device", "processor"))
    known = device == "cpu" and isinstance(processor, str) and processor not in ("", "cpu")
    return f"{device} ({processor})" if known else str(device or "")


def _commit(record: RunRecord) -> str:
    commit = record.environment.get("commit")
    changed = " with uncommitted changes" if record.environment.get("dirty") else ""
    return f"{str(commit)[:12]}{changed}" if commit else ""


def _software(record: RunRecord) -> str:
    env = record.environment
    bench, torch = env.get("bench"), (env.get("packages") or {}).get("torch")
    return ", ".join(
        f"{name} {version}" for name, version in (("pix2pix-bench", bench), ("torch", torch)) if version
    )


def _dates(records: list[RunRecord]) -> str:
    days = sorted({record.created[:10] for record in records if record.created})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else ""

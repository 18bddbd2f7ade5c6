"""What rows cost, from their records: a row's parameters, operations, time, memory and hours of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.records.record import RunRecord


@dataclass(frozen=True)
class Cost:
    """Of one row; None where its records do not tell.

    Attributes:
        parameters: of the generator.
        gflop: floating-point operations to translate an image, in 10^9; a multiply-add is two.
        ms_per_image: to translate one image, the median over the row's seeds.
        peak_memory_mb: on the GPU meanwhile.
        train_hours: of one training, the mean over the row's seeds.
        device: where time and memory were measured.
    """

    parameters: int | None
    gflop: float | None
    ms_per_image: float | None
    peak_memory_mb: float | None
    train_hours: float | None
    device: str


def cost_of(records: list[RunRecord]) -> Cost | None:
    """The cost of a row whose seeds have these records; None where nothing is known.

    Time and memory of several devices are no number: they are None, and `device` names the devices.
    """
    held = [_held(record) for record in records]
    hours = [seconds / 3600 for record in records if (seconds := record.timings.get("train")) is not None]
    if not any(held) and not hours:
        return None
    devices = list(dict.fromkeys(str(one["device"]) for one in held if one.get("device")))
    ms, memory = (
        [one[name] for one in held if one.get(name) is not None and len(devices) < 2]
        for name in ("ms_per_image", "peak_memory_mb")
    )
    parameters = _shared(held, "parameters")
    return Cost(
        None if parameters is None else int(parameters),
        _shared(held, "gflop"),
        median(ms) if ms else None,
        max(memory) if memory else None,
        sum(hours) / len(hours) if hours else None,
        ", ".join(devices),
    )


def _held(record: RunRecord) -> Mapping[str, Any]:
    """What a record tells; that of a model trained elsewhere has its parameters where its file told them."""
    cost, model = record.details.get("cost"), record.details.get("model")
    told = {"parameters": model["parameters"]} if isinstance(model, Mapping) and "parameters" in model else {}
    held = {**told, **(cost if isinstance(cost, Mapping) else {})}
    if held.get("device") == "cpu" and (processor := record.environment.get("processor")):
        held["device"] = f"cpu ({processor})"
    return held


def _shared(held: list[Mapping[str, Any]], name: str) -> float | None:
    """What all records that tell it tell alike; None where they differ."""
    known = {one[name] for one in held if one.get(name) is not None}
    return known.pop() if len(known) == 1 else None

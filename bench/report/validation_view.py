"""What the validation says: the step that was scored beside the last one, and the gap to training images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.column import fixed, info_of, merit
from bench.analysis.rows import Row
from bench.analysis.sections import Section, in_order
from bench.records.record import RunRecord

NO_VALUE = "–"
_FINER = 1  # decimals more than the metric's own: differences are small


@dataclass(frozen=True)
class ValidationLine:
    """One metric of a variant, means over its seeds, as text.

    Attributes:
        title: the metric, with the sign of its better direction.
        scored, last: on the validation images, at the step whose generator was scored and at the last step.
        train, test: of the scored generator, on equally many training and test images.
        gap: how much better it is on training images ("+0.012"); negative: worse.
    """

    title: str
    scored: str
    last: str
    train: str
    test: str
    gap: str


@dataclass(frozen=True)
class ValidationRow:
    """A variant: which steps were scored ("30 of 60 (seed 0), 40 of 60 (seed 1)"), and its metrics."""

    label: str
    steps: str
    lines: tuple[ValidationLine, ...]


@dataclass(frozen=True)
class ValidationView:
    """The part "Validation" of a section.

    Attributes:
        about: what the images are, and how the step was chosen: a sentence each.
        rows: one a variant.
    """

    about: list[str]
    rows: list[ValidationRow]


def validation_of(record: RunRecord) -> Mapping[str, Any] | None:
    """What a run's record holds of its validation (`bench.stages.validation`)."""
    held = record.details.get("validation")
    return held if isinstance(held, Mapping) and held.get("points") else None


def validation_view(section: Section) -> ValidationView | None:
    """The view of a section; None where no run has a validation."""
    found = {row.label: (row, held) for row in section.rows if (held := _of_row(row))}
    if not found:
        return None
    every = [held for _, of_row in found.values() for held in of_row.values()]
    return ValidationView(_about(every), [_row(row, held) for row, held in found.values()])


def _of_row(row: Row) -> dict[int, Mapping[str, Any]]:
    """Seed -> the validation of that run."""
    records = [entry.record for entry in row.entries]
    return {record.seed or 0: held for record in records if (held := validation_of(record)) is not None}


def _about(every: Sequence[Mapping[str, Any]]) -> list[str]:
    origins = {
        "held out": "held out of the training images (--val-share)",
        "own": "the data set's own val split",
    }
    images = _listed(f"{held['n']} images, {origins.get(held['origin'], held['origin'])}" for held in every)
    steps = _listed(str(held["every"]) for held in every)
    said = [f"Validation images: {images}; scored every {steps} steps and at the last."]
    if both := max(int(held.get("in_test", 0)) for held in every):
        said.append(f"{both} of them are test images too: what is decided on them has seen the test.")
    chosen = [held["choice"] for held in every if held["choice"] != "last"]
    if chosen:
        metrics = _listed(info_of(choice.partition(":")[2]).title for choice in chosen)
        said.append(
            f"The step with the best {metrics} on them is taken, the earliest of equals: a departure from "
            "the paper, which takes the last."
        )
    else:
        said.append("The last step is taken, as in the paper.")
    sizes = _listed(str(held["gap"]["n"]) for held in every if held.get("gap"))
    if sizes:
        said.append(
            f"Training and test: the scored generator on {sizes} evenly spaced images of each. The gap says "
            "how much better it is on training images: near 0, it has learned nothing by heart."
        )
    return said


def _listed(values: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(values))


def _row(row: Row, held: Mapping[int, Mapping[str, Any]]) -> ValidationRow:
    words = {seed: f"{one['chosen_step']} of {one['last_step']}" for seed, one in held.items()}
    if len(set(words.values())) == 1:
        steps = next(iter(words.values()))
    else:
        steps = ", ".join(f"{told} (seed {seed})" for seed, told in words.items())
    keys = in_order([key for one in held.values() for key in one["goals"]])
    return ValidationRow(row.label, steps, tuple(_line(key, list(held.values())) for key in keys))


def _line(key: str, every: Sequence[Mapping[str, Any]]) -> ValidationLine:
    info = info_of(key)
    goal = next(one["goals"][key] for one in every if key in one["goals"])
    decimals = info.digits + _FINER
    arrow = {"max": "↑", "min": "↓"}.get(str(goal), f"→{goal}".removesuffix(".0"))
    train, test = (
        [(one.get("gap") or {}).get(side, {}).get(key) for one in every] for side in ("train", "test")
    )
    gaps = [
        merit(goal, a) - merit(goal, b)
        for a, b in zip(train, test, strict=True)
        if a is not None and b is not None
    ]
    gap = _mean(gaps)
    return ValidationLine(
        f"{info.title} {arrow}",
        _text([_at(one, one["chosen_step"], key) for one in every], decimals),
        _text([_at(one, one["last_step"], key) for one in every], decimals),
        _text(train, decimals),
        _text(test, decimals),
        NO_VALUE if gap is None else _signed(gap, decimals),
    )


def _at(one: Mapping[str, Any], step: int, key: str) -> float | None:
    return next((point.get(key) for point in one["points"] if point["step"] == step), None)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _text(values: Sequence[float | None], decimals: int) -> str:
    mean = _mean(values)
    return NO_VALUE if mean is None else fixed(mean, decimals)


def _signed(value: float, decimals: int) -> str:
    shown = fixed(value, decimals)
    return shown if shown.startswith("-") or float(shown) == 0 else f"+{shown}"

"""Sweeps: rows that differ in one field of variant or training, joined into lines over that field.

Rows belong to one line if all else is equal, under any name: `cgan` is the point at 0 of a sweep of
`l1+cgan` over `lambda_l1`, and `no-dropout` that of a sweep over `dropout`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from baselines.components.registry import OWN_FIELDS, part_of
from baselines.documents import later_fields
from baselines.settings import TrainingSettings
from baselines.variants import Variant
from bench.analysis.column import Column
from bench.analysis.rows import Row, as_text, settings_of
from bench.analysis.sections import Section
from bench.core.errors import UsageError, unknown_name
from bench.scoring.metrics.catalogue import CATALOGUE
from bench.spec.expand import TRAINING_FIELDS

IMAGES_SEEN = "images_seen"  # steps x batch size: no field of its own
FIELDS = (*sorted(OWN_FIELDS), *TRAINING_FIELDS, IMAGES_SEEN, "train_n")
DEFAULT_METRICS = (
    "fcn_class_iou", "label_class_iou", "fid", "fd_lite0", "lpips", "ssim", "mae", "hf_ratio", "diversity",
)  # fmt: skip
MOST_METRICS = 6
_LOG_FROM = 5  # a logarithmic axis from this ratio of the largest to the smallest value on
_LATER = {**later_fields(Variant), **later_fields(TrainingSettings)}  # with their defaults
# What changes with a field where a grid is given in epochs: it may differ along a line.
_TIED = {
    "batch_size": ("steps",),
    "train_n": ("train_fingerprint", "steps"),
    IMAGES_SEEN: ("steps", "batch_size"),
}


@dataclass(frozen=True)
class Line:
    """Rows that are equal in all but the field, in the order of its values.

    Attributes:
        label: what they have in common, in words.
        look: the row label whose look the line has.
        points: (value, row).
    """

    label: str
    look: str
    points: tuple[tuple[Any, Row], ...]


@dataclass(frozen=True)
class Sweep:
    """A field and the lines over it.

    Attributes:
        field: its name in specs, or "images_seen".
        values: all its values, numbers by size, words as they come.
        lines: at least one has two points or more.
        columns: the metrics to draw.
    """

    field: str
    values: tuple[Any, ...]
    lines: tuple[Line, ...]
    columns: tuple[Column, ...]

    @property
    def numeric(self) -> bool:
        return all(_is_number(value) for value in self.values)

    @property
    def logarithmic(self) -> bool:
        """Whether the values span so much that a linear axis would squash them."""
        above = [value for value in self.values if value > 0] if self.numeric else []
        return len(above) > 1 and min(self.values) >= 0 and max(above) > _LOG_FROM * min(above)


def sweep(section: Section, field: str, metrics: Sequence[str] = ()) -> Sweep | None:
    """The rows of a section over `field`; None where no two rows differ in it alone."""
    placed = [(value, row) for row in section.rows if (value := _value(row, field)) is not None]
    groups: dict[str, list[tuple[Any, Row]]] = {}
    for value, row in placed:
        groups.setdefault(_rest(row, field, _TIED.get(field, ())), []).append((value, row))
    lines = []
    for members in groups.values():
        twice = len({value for value, _ in members}) < len(members)
        for part in _strictly(members, field) if twice and field != IMAGES_SEEN else [members]:
            lines.append(_line(part, field))
    if not any(len({value for value, _ in line.points}) > 1 for line in lines):
        return None
    if len({line.label for line in lines}) < len(lines):  # labels that need all of their words
        lines = [replace(line, label=line.points[0][1].label) for line in lines]
    values = dict.fromkeys(value for line in lines for value, _ in line.points)
    ordered = sorted(values) if all(map(_is_number, values)) else list(values)
    return Sweep(field, tuple(ordered), tuple(lines), _columns(section, metrics))


def sweeps(found: Sequence[Section], fields: Sequence[str], metrics: Sequence[str]) -> dict[str, list[Sweep]]:
    """The sweeps over `fields`, by id of their section.

    Raises:
        UsageError: for an unknown field or metric, one without values, or a field that varies nowhere.
    """
    _check_metrics(found, metrics)
    made: dict[str, list[Sweep]] = {section.id: [] for section in found}
    for field in fields:
        if field not in (known := fields_in(found)):
            raise unknown_name("field", field, known, "bench list fields")
        drawn = [(section.id, one) for section in found if (one := sweep(section, field, metrics))]
        if not drawn:
            raise UsageError(_does_not_vary(found, field))
        for name, one in drawn:
            made[name].append(one)
    return made


def fields_in(found: Sequence[Section]) -> list[str]:
    """The fields that may vary: of every spec, and those of parts that these records have."""
    of_parts = {
        name
        for section in found
        for row in section.rows
        for name, value in row.first.spec.get("variant", {}).items()
        if name not in ("name", "source") and isinstance(value, bool | int | float | str)
    }
    return [*FIELDS, *sorted(of_parts - set(FIELDS))]


def _check_metrics(found: Sequence[Section], metrics: Sequence[str]) -> None:
    measured = dict.fromkeys(column.info.key for section in found for column in section.columns)
    for key in metrics:
        if key not in measured and key not in CATALOGUE:
            raise unknown_name("metric", key, [*measured, *CATALOGUE], "bench list metrics")
        if key not in measured:
            raise UsageError(
                f"expected --metrics among those measured in these runs, found {key}: use some of "
                f"{', '.join(measured) or 'none'}, or `bench score OUT --metrics {key}` first"
            )


def _does_not_vary(found: Sequence[Section], field: str) -> str:
    values = dict.fromkeys(str(v) for s in found for row in s.rows if (v := _value(row, field)) is not None)
    if len(values) > 1:
        said = f"{', '.join(values)}, but no two runs of one data set and size that are otherwise equal"
    else:
        said = f"{next(iter(values))} in all" if values else "no value in any"
    varying = [name for name in fields_in(found) if name != field and any(sweep(s, name) for s in found)]
    instead = f"what varies here: {', '.join(varying)}" if varying else "no field varies here"
    return f"expected {field} to vary between the runs, found {said}: {instead}"


def _value(row: Row, field: str) -> Any:
    spec = row.first.spec
    training = spec.get("training", {})
    if field == IMAGES_SEEN:
        steps, batch = training.get("steps"), training.get("batch_size")
        return None if steps is None or batch is None else steps * batch
    for part in ("variant", "training", "data"):
        if field in spec.get(part, {}):
            return spec[part][field]
    return _default(field) if training else None


@cache
def _default(field: str) -> Any:
    """What a spec means that does not have the field; None where it is not known."""
    if field in FIELDS:
        return _LATER.get(field)
    try:
        return part_of(field)[2].defaults[field]
    except ValueError:  # of a plug-in that is not here
        return None


def _rest(row: Row, field: str, tied: Sequence[str]) -> str:
    """All settings of a row but the field and what changes with it."""
    settings = settings_of(row.first)
    return as_text({name: value for name, value in settings.items() if name != field and name not in tied})


def _strictly(members: list[tuple[Any, Row]], field: str) -> list[list[tuple[Any, Row]]]:
    """`members` apart by what else differs."""
    groups: dict[str, list[tuple[Any, Row]]] = {}
    for value, row in members:
        groups.setdefault(_rest(row, field, ()), []).append((value, row))
    return list(groups.values())


def _line(members: list[tuple[Any, Row]], field: str) -> Line:
    numbers = all(_is_number(value) for value, _ in members)
    ordered = sorted(members, key=lambda member: member[0]) if numbers else members
    names = [_without(row, field) for _, row in ordered]
    label = max(reversed(names), key=names.count)
    look = next((row.label for _, row in ordered if row.label == label), ordered[0][1].label)
    return Line(label, look, tuple(ordered))


def _without(row: Row, field: str) -> str:
    """A row's label without the field: "l1+cgan[lambda_l1=10,lr=0.1]" -> "l1+cgan[lr=0.1]"."""
    unsaid = {field, *_TIED.get(field, ())}
    label = row.label
    if field == "receptive_field":
        label = re.sub(r"/(\d+|full)(?=$|[\[ ])", "", label)

    def kept(match: re.Match[str]) -> str:
        opening, inside, closing = match.groups()
        parts = [part for part in inside.split(",") if part.partition("=")[0].strip() not in unsaid]
        return f"{opening}{','.join(parts).strip()}{closing}" if parts else ""

    return re.sub(r"( \(|\[)([^\[\]()]*=[^\[\]()]*)(\)|\])", kept, label)


def _columns(section: Section, metrics: Sequence[str]) -> tuple[Column, ...]:
    wanted = metrics or DEFAULT_METRICS
    found = [column for key in wanted for column in section.columns if column.info.key == key]
    if not metrics:
        found = (found or section.columns)[:MOST_METRICS]
    return tuple(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

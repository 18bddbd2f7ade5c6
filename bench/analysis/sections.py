"""Records -> sections, which hold what compares: rows are variants, columns metrics, cells values.

A section holds one data set, one direction, one size, one test set. A row is a variant under one training,
aggregated over its seeds. A column is a metric under one protocol: where records disagree on a metric's
protocol, its column is split and the differing fields are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from baselines.sizes import Size, size_order, words_of_size
from bench.analysis.cell import Cell
from bench.analysis.column import Column, info_of, only_zeros
from bench.analysis.comparable import column_key, differing_fields, must_agree, test_sets
from bench.analysis.entry import Entry
from bench.analysis.questions import place_of
from bench.analysis.rows import Row, group, reference_rows, run_rows
from bench.analysis.trained_on import trained_on
from bench.records.record import Goal, MetricResult, RunRecord
from bench.scoring.metrics.catalogue import CATALOGUE, MetricInfo

_Key = tuple[Goal, str]  # of `column_key`
_UNPAIRED = (
    "The data is unpaired: the target that is shown beside a source has nothing to do with it. Only metrics "
    "that need no pairs have values."
)


@dataclass
class Section:
    """All records that may be compared with one another."""

    id: str
    dataset: str
    direction: str
    source: str
    size_px: Size | None
    test_n: int | None
    entries: list[Entry]
    rows: list[Row] = field(default_factory=list)
    references: list[Row] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    unmeasured: dict[str, list[str]] = field(default_factory=dict)  # metric title -> reasons
    notes: list[str] = field(default_factory=list)
    mark: str = ""  # tells titles apart
    seats: list[Any] | None = field(default=None, repr=False)  # what `bench.analysis.panel.seats` has found

    @property
    def finished(self) -> list[RunRecord]:
        return [e.record for e in self.entries if e.record.status == "finished"]

    @property
    def failed(self) -> list[RunRecord]:
        return [e.record for e in self.entries if e.record.status != "finished"]

    @property
    def all_rows(self) -> list[Row]:
        return [*self.rows, *self.references]

    @property
    def real(self) -> Row | None:
        """The row of the real images, where there is one."""
        return next((row for row in self.references if row.label == "real"), None)

    @property
    def title(self) -> str:
        size = f" at {words_of_size(self.size_px)}" if self.size_px else ""
        derived = f" from {self.source}" if self.source not in ("paired", "") else ""
        return f"{self.dataset}, {words_of_direction(self.direction)}{derived}{size}{self.mark}"

    def rows_with(self, column: Column) -> list[Row]:
        """The trained variants with a value in the column."""
        return [row for row in self.rows if row.mean(column) is not None]

    def ranked(self, column: Column) -> list[Row]:
        """The same, best first, without those that were trained on what the column measures."""
        rows = [row for row in self.rows_with(column) if not trained_on(row, column)]
        return sorted(rows, key=lambda row: column.merit(row.value(column)), reverse=True)

    @property
    def unmeasured_by_reason(self) -> list[tuple[str, str]]:
        """(metrics without any value, why), metrics that share a reason together."""
        by_reason: dict[str, list[str]] = {}
        for title, reasons in self.unmeasured.items():
            by_reason.setdefault("; ".join(reasons), []).append(title)
        return [(", ".join(titles), reason) for reason, titles in by_reason.items()]


def words_of_direction(direction: str) -> str:
    """ "labels2photo" -> "labels to photo"."""
    left, two, right = direction.partition("2")
    return f"{left} to {right}" if two and left and right else direction


def sections(entries: Sequence[Entry]) -> list[Section]:
    """Group entries into sections, in order of data set, direction and size."""
    of = test_sets(entry.record for entry in entries)
    groups = group(
        entries, lambda record: _key(of(record)), by_seed=False
    )  # columns that are split get their letters in this order
    made = []
    ordered = sorted(groups.items(), key=lambda item: _in_order(*item[0]))
    for number, (key, members) in enumerate(ordered, 1):
        dataset, direction, source, size_px, test_n, _ = key
        section = Section(f"s{number}", dataset, direction, source, size_px, test_n, members)
        _fill(section)
        made.append(section)
    titles = Counter(section.title for section in made)
    for title in (title for title, count in titles.items() if count > 1):
        for number, section in enumerate([one for one in made if one.title == title], 1):
            section.mark = f", test set {number}"
    return made


def _key(tested: dict[str, Any]) -> tuple[Any, ...]:
    """Data set, direction, source, size, number of test images, and which."""
    name, direction, source, test_n, images, size = tested.values()
    return str(name), str(direction), "paired" if source is None else str(source), size, test_n, images


def _in_order(
    dataset: str, direction: str, source: str, size_px: Size | None, test_n: object, images: object
) -> tuple[tuple[int, str], ...]:
    """Names by name, sizes by area, numbers by size."""
    size = (-1, "") if size_px is None else size_order(size_px)
    return (*map(_sortable, (dataset, direction, source)), size, *map(_sortable, (test_n, images)))


def _sortable(part: object) -> tuple[int, str]:
    """Numbers by size, names by name."""
    return (part, "") if isinstance(part, int) else (-1, str(part))


def _fill(section: Section) -> None:
    done = [e for e in section.entries if e.record.status == "finished"]
    section.rows = run_rows(e for e in done if e.record.kind == "run")
    section.references = reference_rows(e for e in done if e.record.kind != "run")
    keys = _fill_columns(section, [e.record for e in done])
    if any(e.record.spec["data"].get("unpaired") for e in done):
        section.notes.append(_UNPAIRED)
    for row in section.all_rows:
        row.cells = {column.id: _cell(row, column, keys[column.id]) for column in section.columns}
    section.columns = [replace(column, fine=_fine(section, column)) for column in section.columns]


def _fine(section: Section, column: Column) -> bool:
    """Whether a column needs more decimals: some values would show as 0, and none has two digits to show."""
    means = [mean for row in section.all_rows if (mean := row.mean(column)) is not None]
    digits = column.info.digits
    return any(only_zeros(mean, digits) for mean in means) and max(map(abs, means)) < 10 ** (1 - digits)


def _fill_columns(section: Section, done: Sequence[RunRecord]) -> dict[str, _Key]:
    """Add the columns; returns what the values of each agree in, by the column's id."""
    keys: dict[str, _Key] = {}
    found: dict[str, list[MetricResult]] = {}
    for record in done:
        for key, result in record.results.items():
            found.setdefault(key, []).append(result)
    for key in in_order(found):
        results, info = found[key], info_of(key)
        groups: dict[_Key, MetricResult] = {}
        for result in results:
            if result.value is not None:
                groups.setdefault(_column_key(result), result)
        if not groups:
            section.unmeasured[info.title] = list(dict.fromkeys(str(r.reason) for r in results))
        marks = [chr(ord("a") + i % 26) * (1 + i // 26) for i in range(len(groups))]
        digests = Counter(digest for _, digest in groups)
        for mark, ((goal, digest), result) in zip(marks, groups.items(), strict=True):
            split = mark if len(groups) > 1 else ""
            told = f"{digest}:{goal}" if digests[digest] > 1 else digest  # two goals of one protocol
            name = f"{key}:{told}" if split else key
            keys[name] = (goal, digest)
            section.columns.append(Column(name, info, split, result.goal, result.protocol))
        if len(groups) > 1:
            section.notes.append(_split_note(info, list(groups.values()), marks))
    return keys


def in_order(keys: Sequence[str] | dict[str, Any]) -> list[str]:
    """Metric keys by the question they answer, then in the catalogue's order, those of plug-ins by name."""
    order = {key: place for place, key in enumerate(CATALOGUE)}
    return sorted(set(keys), key=lambda key: (place_of(key), order.get(key, len(order)), key))


def _column_key(result: MetricResult) -> _Key:
    return column_key(result.name, result.goal, result.n, result.protocol)


def _split_note(info: MetricInfo, results: list[MetricResult], marks: list[str]) -> str:
    said = []
    agreed = [must_agree(r.name, r.goal, r.n, r.protocol) for r in results]
    for name, values in differing_fields(agreed).items():
        listed = ", ".join(f"({mark}) {value}" for mark, value in zip(marks, values, strict=True))
        said.append(f"{name}: {listed}")
    return (
        f"{info.title} was scored under {len(results)} protocols, whose values do not compare and stand in "
        f"columns of their own. What differs: {'; '.join(said)}."
    )


def _cell(row: Row, column: Column, key: _Key) -> Cell:
    found: list[MetricResult] = []
    reasons: list[str] = []
    for entry in row.entries:
        result = entry.record.results.get(column.info.key)
        if result is None:
            reasons.append("not among the metrics that were asked for")
        elif result.value is None:
            reasons.append(str(result.reason))
        elif _column_key(result) != key:
            reasons.append("scored under another protocol: see the other column of this metric")
        else:
            found.append(result)
    if row.kind != "run":  # repeated reference rows of one protocol are the same measurement
        return Cell.of(found[-1:], [] if found else reasons)
    return Cell.of(found, reasons)

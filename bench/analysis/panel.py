"""A section as each judge of a panel sees it: the same rows, with that judge's FCN scores.

So every rule for one judge (differences, claims, orders) holds for each of several.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.column import Column
from bench.analysis.differences import Difference, corrected, difference
from bench.analysis.entry import Entry
from bench.analysis.sections import Section, sections
from bench.records.panel import SCORES, hash_of, judges_of, seen_by
from bench.records.record import RunRecord


@dataclass(frozen=True)
class Seat:
    """A judge of a section.

    Attributes:
        hash: in protocols too.
        name: "fcn-lite0 at 256 px"; with the hash where another judge has that name.
        section: the section with the FCN scores of this judge alone; of the first, the section itself.
    """

    hash: str
    name: str
    section: Section


def seats(section: Section) -> list[Seat]:
    """The judges of a section, the first one first; none where a single judge scored all of it."""
    if section.seats is None:
        section.seats = _seats(section)
    found: list[Seat] = section.seats
    return found


def _seats(section: Section) -> list[Seat]:
    hashes = judges_of(section.finished)
    if len(hashes) < 2:
        return []
    made = []
    for digest in hashes:
        alone = all(hash_of(record) in (digest, None) for record in section.finished)
        made.append((digest, section if alone else _by(section, digest)))
    names = [_name(seen, digest) for digest, seen in made]
    return [
        Seat(digest, name if names.count(name) == 1 else f"{name} ({digest[:8]})", seen)
        for name, (digest, seen) in zip(names, made, strict=True)
    ]


def _by(section: Section, digest: str) -> Section:
    entries = [
        Entry(seen_by(one.record, digest), one.out, None if hash_of(one.record) == digest else digest)
        for one in section.entries
    ]
    (made,) = sections(entries)
    made.id, made.mark = section.id, section.mark
    return made


def _name(section: Section, digest: str) -> str:
    """From the record of a row that the judge has scored."""
    metas = (_meta(record, digest) for record in section.finished)
    meta = next((one for one in metas if one), {})
    name = str(meta.get("network") or meta.get("judge") or "judge of unknown name")
    return f"{name} at {meta['size_px']} px" if meta.get("size_px") else name


def _meta(record: RunRecord, digest: str) -> dict[str, object]:
    if hash_of(record) != digest:
        return {}
    return dict(record.details.get("judge") or {})


@dataclass(frozen=True)
class Pair:
    """Two variants in one score, as the judges of a panel see them.

    Attributes:
        key: of the score.
        rows: labels of both, the first judge's better one first.
        gaps: first minus second, one a judge.
        clear: whether that difference is distinguishable, one a judge.
    """

    key: str
    rows: tuple[str, str]
    gaps: tuple[float, ...]
    clear: tuple[bool, ...]

    @property
    def agreed(self) -> bool:
        """Whether all judges say clearly that the first is better."""
        return all(self.clear) and all(gap > 0 for gap in self.gaps)

    @property
    def opposed(self) -> bool:
        """Whether one judge says clearly the opposite of another."""
        signs = {gap > 0 for gap, clear in zip(self.gaps, self.clear, strict=True) if clear}
        return len(signs) == 2


def pairs(found: Sequence[Seat]) -> list[Pair]:
    """All pairs of variants in every score that all judges gave them.

    What is distinguishable is corrected (Holm) over a judge's pairs and scores.
    """
    asked: list[tuple[str, str, str]] = []
    for key in SCORES:
        columns = [column for seat in found if (column := column_of(seat.section, key)) is not None]
        if len(columns) == len(found):
            ranked = [
                [row.label for row in seat.section.ranked(column)]
                for seat, column in zip(found, columns, strict=True)
            ]
            common = [label for label in ranked[0] if all(label in labels for labels in ranked)]
            asked += [(key, a, b) for a, b in itertools.combinations(common, 2)]
    by_judge = [_differences(seat.section, asked) for seat in found]
    return [
        Pair(key, (a, b), tuple(one.difference for one in seen), tuple(one.distinguishable for one in seen))
        for (key, a, b), *seen in zip(asked, *by_judge, strict=True)
    ]


def column_of(section: Section, key: str) -> Column | None:
    """The only column of a metric; None where it has none, or one for each of several protocols."""
    columns = [column for column in section.columns if column.info.key == key]
    return columns[0] if len(columns) == 1 else None


def _differences(section: Section, asked: Sequence[tuple[str, str, str]]) -> list[Difference]:
    rows = {row.label: row for row in section.rows}
    found = []
    for key, a, b in asked:
        column = column_of(section, key)
        assert column is not None
        found.append(difference(column, rows[a], rows[b]))
    return corrected(found)

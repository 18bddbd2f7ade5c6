"""Scores by further judges, beside those of the first: how a record holds them, and a record by each judge.

`details["panel"]` lists them; the values by image stand in columns that end in the judge's hash. A record
scored by one judge has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bench.core.decode import decode
from bench.core.errors import UsageError
from bench.records.record import MetricResult, RunRecord

if TYPE_CHECKING:
    import pandas as pd

PANEL, FIRST = "panel", "judge"
SCORES = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou")


@dataclass(frozen=True)
class JudgeScores:
    """What one further judge found of a row.

    Attributes:
        judge: as in `details["judge"]` of a record scored by it alone; with its hash.
        results: its `fcn_*`.
        per_class_iou, per_class_acc: by class; None for a class that does not occur.
    """

    judge: dict[str, Any]
    results: dict[str, MetricResult]
    per_class_iou: dict[str, float | None] = field(default_factory=dict)
    per_class_acc: dict[str, float | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def column(name: str, judge_hash: str) -> str:
    """The column of a further judge's values by image."""
    return f"{name}@{judge_hash[:8]}"


def panel_of(record: RunRecord) -> list[JudgeScores]:
    """The further judges of a record.

    Raises:
        UsageError: if they are not in this form.
    """
    found = record.details.get(PANEL)
    if found is None:
        return []
    try:
        scores: list[JudgeScores] = decode(found, list[JudgeScores])
    except ValueError as error:
        raise UsageError(
            f"record {record.id} is damaged (details.{PANEL}: {error}): score it again"
        ) from None
    if not all(isinstance(one.judge.get("hash"), str) for one in scores):
        raise UsageError(
            f"record {record.id} is damaged (details.{PANEL}: a judge without hash): score it again"
        )
    return scores


def hash_of(record: RunRecord) -> str | None:
    """Of the judge that scored a record first; None: none did."""
    results = (record.results[key] for key in SCORES if key in record.results)
    digest = next((one.protocol.get("judge_hash") for one in results if one.value is not None), None)
    return None if digest is None else str(digest)


def judges_of(records: Sequence[RunRecord]) -> list[str]:
    """Hashes of all judges that scored these records: first ones first, in the order of the records."""
    firsts = [digest for record in records if (digest := hash_of(record)) is not None]
    others = [str(one.judge["hash"]) for record in records for one in panel_of(record)]
    return list(dict.fromkeys([*firsts, *others]))


def seen_by(record: RunRecord, judge_hash: str) -> RunRecord:
    """The record as if that judge alone had scored it; without FCN scores where it did not."""
    if hash_of(record) == judge_hash:
        return record
    others = {key: one for key, one in record.results.items() if key not in SCORES}
    for one in panel_of(record):
        if one.judge["hash"] == judge_hash:
            found = {FIRST: one.judge, "per_class_iou": one.per_class_iou, "per_class_acc": one.per_class_acc}
            return replace(record, results={**others, **one.results}, details={**record.details, **found})
    dropped = (FIRST, "per_class_iou", "per_class_acc")
    details = {key: value for key, value in record.details.items() if key not in dropped}
    return replace(record, results=others, details=details)


def table_by(table: pd.DataFrame, judge_hash: str) -> pd.DataFrame:
    """A record's values by image with those of a further judge in the place of the first's."""
    ending = column("", judge_hash)
    kept = [name for name in table if not str(name).startswith("fcn_")]
    own = {name: str(name).removesuffix(ending) for name in table if str(name).endswith(ending)}
    return table[[*kept, *own]].rename(columns=own)

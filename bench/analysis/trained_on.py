"""Rows that were trained on the very features that score them: marked, and not ranked by these."""

from __future__ import annotations

from bench.analysis.column import Column
from bench.analysis.rows import Row

LITE0 = "efficientnet-lite0-imagenet"
"""The network, as protocols name it, behind `fd_lite0`, `precision` and `recall`."""
MARK = "trained on the features of this metric (perceptual loss): marked, and not ranked"
_JUDGE = "fcn-lite0"


def trained_on(row: Row, column: Column) -> bool:
    """Whether the row's training minimised a distance in the features that the column measures in."""
    return _network(column) in _features_of(row)


def leans_on(row: Row, column: Column) -> bool:
    """Whether the column's judge starts from features that the row was trained on."""
    judge = str(column.protocol.get("judge", ""))
    return column.info.key.startswith("fcn_") and judge.startswith(_JUDGE) and LITE0 in _features_of(row)


def _features_of(row: Row) -> set[str]:
    """The networks in whose features the row's perceptual loss was taken."""
    variant = row.first.spec.get("variant", {})
    if not variant.get("lambda_perceptual"):
        return set()
    return {LITE0} if variant.get("perceptual", "lite0") == "lite0" else set()


def _network(column: Column) -> str:
    return str(column.protocol.get("network", ""))

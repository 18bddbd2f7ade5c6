"""Rows that were trained on the very features that score them: marked, and not ranked by these."""

from __future__ import annotations

from bench.analysis.column import Column
from bench.analysis.rows import Row

LITE0 = "efficientnet-lite0-imagenet"
"""The network, as protocols name it, behind `fd_lite0`, `precision` and `recall`."""
_NETWORKS = {"lite0": LITE0, "alexnet": "LPIPS 0.1, AlexNet"}
"""The network of a protocol, by whose features a perceptual loss is taken in; VGG-16 scores nothing here."""
MARK = "trained on the features of this metric (perceptual loss): marked, and not ranked"
_JUDGE = "fcn-lite0"


def trained_on(row: Row, column: Column) -> bool:
    """Whether the row's training minimised a distance in the features that the column measures in."""
    mine = _features_of(row)
    return mine is not None and str(column.protocol.get("network", "")).startswith(mine)


def leans_on(row: Row, column: Column) -> bool:
    """Whether the column's judge starts from features that the row was trained on."""
    judge = str(column.protocol.get("judge", ""))
    return column.info.key.startswith("fcn_") and judge.startswith(_JUDGE) and _features_of(row) == LITE0


def _features_of(row: Row) -> str | None:
    """The network in whose features the row's perceptual loss was taken; None where it scores nothing."""
    variant = row.first.spec.get("variant", {})
    return _NETWORKS.get(variant.get("perceptual", "lite0")) if variant.get("lambda_perceptual") else None

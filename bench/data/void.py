"""Label maps that are mostly void: nearly always files that are read as something they are not."""

from __future__ import annotations

from bench.core.errors import UsageError

MAX_SHARE = 0.5
ADVICE = (
    "check that they are label maps and not photos (the card's domains in the order of the folders), that "
    "their colours or ids are those of the card, and that ids are no train ids (label_values under [options] "
    "of a card.toml, --label-values of `bench score` and `bench generate`)"
)


def is_mostly_void(share: float | None) -> bool:
    """Whether more than half of the label pixels belong to no class."""
    return share is not None and share > MAX_SHARE


def check_void(share: float | None, what: str, allowed: bool) -> None:
    """Refuse label maps of which more than half is void, unless that is allowed.

    Args:
        share: share of void pixels; None: there are no label maps.
        what: which label maps, in words.
        allowed: `--allow-void`.

    Raises:
        UsageError: with the usual causes.
    """
    if share is not None and is_mostly_void(share) and not allowed:
        raise UsageError(
            f"expected label maps with classes in {what}, found {share:.1%} of their pixels void: {ADVICE}"
            "; or go on by --allow-void"
        )

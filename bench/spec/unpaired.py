"""What only variants that train without pairs can do."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.variants import Variant
from bench.core.errors import UsageError
from bench.spec.run_spec import RunSpec


def check_both_directions(runs: Sequence[RunSpec]) -> None:
    """Refuse `--both-directions` where a run has one generator, or its step is chosen by one direction.

    Raises:
        UsageError: naming the first such variant.
    """
    if alone := next((run for run in runs if not has_both_ways(run.variant)), None):
        raise UsageError(
            f"expected --both-directions with variants that train both (cyclegan, discogan), found "
            f"{alone.label}, which trains one: leave it out, or run it with the other --direction"
        )
    if chosen := next((run for run in runs if run.choice is not None), None):
        assert chosen.choice is not None
        raise UsageError(
            f"expected --choose last with --both-directions, found best:{chosen.choice.metric}, which "
            "looks at one direction: leave one of the two out"
        )


def has_both_ways(variant: Variant) -> bool:
    """Whether its objective trains a second generator, from targets to sources."""
    if variant.objective == "paired":
        return False  # without importing torch
    from baselines.objectives.scheme import scheme_of

    return scheme_of(variant).both_ways

"""What only variants that train without pairs can do, and what cannot be done without pairs."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.variants import Variant
from bench.core.errors import UsageError
from bench.data.dataset import Dataset
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


def check_unpaired(dataset: Dataset, runs: Sequence[RunSpec], eval_every: int | None) -> None:
    """Refuse, on unpaired data, variants that train on pairs, and scores during training.

    Raises:
        UsageError: naming the first such variant.
    """
    if not dataset.unpaired:
        return
    found = dataset.images.found
    halves = " and ".join(found.halves if found is not None else ())
    if on_pairs := next((run for run in runs if trains_on_pairs(run.variant)), None):
        raise UsageError(
            f"expected a variant that trains without pairs (cyclegan, discogan) for {dataset.name}, whose "
            f"{halves} share no name, found {on_pairs.label}: if they are pairs, name them alike"
        )
    if eval_every is not None or any(run.choice is not None for run in runs):
        raise UsageError(
            f"expected no --eval-every and --choose last for {dataset.name}, whose {halves} share no name, "
            "found one of them: what is scored during training needs pairs"
        )


def trains_on_pairs(variant: Variant) -> bool:
    """Whether its objective needs the target that belongs to a source."""
    if variant.objective == "paired":
        return True  # without importing torch
    from baselines.objectives.scheme import scheme_of

    return scheme_of(variant).paired


def has_both_ways(variant: Variant) -> bool:
    """Whether its objective trains a second generator, from targets to sources."""
    if variant.objective == "paired":
        return False  # without importing torch
    from baselines.objectives.scheme import scheme_of

    return scheme_of(variant).both_ways

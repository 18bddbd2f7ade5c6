"""`--choose` and `--eval-every`: which step's generator a run takes, and on which images that is decided."""

from __future__ import annotations

from collections.abc import Sequence

from bench.core import plugins
from bench.core.errors import UsageError, unknown_name
from bench.data.dataset import Dataset
from bench.scoring.metrics.catalogue import CATALOGUE
from bench.spec.policy import LAST
from bench.spec.run_spec import RunSpec, StepChoice

_BEST = "best:"


def step_choice(dataset: Dataset, choose: str, every: int | None) -> StepChoice | None:
    """What `--choose` means on this data set; None: the last step.

    Raises:
        UsageError: if it is neither "last" nor "best:METRIC", `--eval-every` is missing, or the data set has
            no validation images that either of them needs.
    """
    metric = chosen_metric(choose)
    if metric is None and every is None:
        return None
    if every is None:
        raise UsageError(f"expected --eval-every STEPS with --choose {choose}, found none: add it")
    if "val" not in dataset.splits:
        raise UsageError(
            f"expected validation images of {dataset.name} for --eval-every, found a train and a test split "
            "only: --val-share 0.1 holds out a tenth of the training images"
        )
    if metric is None:
        return None
    return StepChoice(metric, every, dataset.splits["val"], dataset.fingerprint("val"))


def chosen_metric(choose: str) -> str | None:
    """The metric of "best:METRIC"; None for "last".

    Raises:
        UsageError: for anything else, an unknown metric, or one that describes and does not rank.
    """
    if choose == LAST:
        return None
    metric = choose.removeprefix(_BEST)
    if metric == choose or not metric:
        raise UsageError(f"expected --choose {LAST} or {_BEST}METRIC such as {_BEST}ssim, found '{choose}'")
    if metric in CATALOGUE:
        if not CATALOGUE[metric].ranks:
            raise UsageError(
                f"expected a metric that ranks after --choose {_BEST}, found {metric}, which only describes: "
                "`bench list metrics` says which way each is better"
            )
    elif metric not in plugins.names("metrics"):
        raise unknown_name("metric", metric, [*CATALOGUE, *plugins.names("metrics")], "bench list metrics")
    return metric


def check_eval_metrics(choose: str, metrics: Sequence[str], judge: str) -> None:
    """Refuse what cannot be scored during training, before it begins.

    Raises:
        UsageError: for an unknown metric, or one that needs the judge where there is none.
    """
    from bench.scoring.one_pass import families_for, wants_judge  # imports torch

    chosen = chosen_metric(choose)
    asked = (*metrics, *(() if chosen is None else (chosen,)))
    if not asked:
        return
    families_for(asked)
    if judge == "none" and wants_judge(asked):
        raise UsageError(
            f"expected metrics without a judge during training, found {','.join(asked)} and no judge "
            "(--judge none, or `bench train`): leave them out, or use `bench run`"
        )


def check_candidates(runs: Sequence[RunSpec]) -> None:
    """Refuse to choose among one step.

    Raises:
        UsageError: if a run ends before its first candidate or with it.
    """
    for run in runs:
        if run.choice is not None and run.choice.every >= run.training.steps:
            raise UsageError(
                f"expected --eval-every below the {run.training.steps} steps of {run.label}, found "
                f"{run.choice.every}: there is nothing to choose from"
            )

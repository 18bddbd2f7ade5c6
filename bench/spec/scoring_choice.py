"""What a run is scored by, and whether that is available."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.scoring.judges.external import check_adapter, is_adapter


@dataclass(frozen=True)
class ScoringChoice:
    """What is scored, and by which judge.

    Attributes:
        metrics: metric keys; empty = all.
        judge: name of the segmentation network, "auto" (by size and device) or "none"; of a trained one also
            its resolution, "fcn-lite0,judge_px=256"; several as "A,B" (`bench.scoring.judges.choice`).
        inception_weights: the user's file; None: the environment's, else the cache's.
        fid_protocol: how images are prepared for Inception (`catalogue.FID_PROTOCOLS`).
        allow_void: whether label maps may be more than half void.
    """

    metrics: tuple[str, ...] = ()
    judge: str = "auto"
    inception_weights: Path | None = None
    fid_protocol: str = "torch-fidelity"
    allow_void: bool = False

    @property
    def wants_judge(self) -> bool:
        """Whether one of the metrics may use the judge, which takes minutes to train."""
        from bench.scoring.one_pass import wants_judge

        return wants_judge(self.metrics)


def check_judge_choice(choice: ScoringChoice) -> None:
    """Refuse unknown judges and metrics, and missing weights, before anything is trained.

    Raises:
        UsageError: with the nearest known name, or the path.
    """
    from bench.core import plugins
    from bench.core.errors import unknown_name
    from bench.data.acquire.weights import find_inception
    from bench.scoring.judges.choice import AUTO, NO_JUDGE, named, panel
    from bench.scoring.one_pass import families_for

    families_for(choice.metrics)
    find_inception(choice.inception_weights)
    known: Sequence[str] = [AUTO, NO_JUDGE, *plugins.names("judges")]
    for judge in panel(choice.judge):
        if is_adapter(judge):
            check_adapter(judge)
        elif (name := named(judge)[0]) not in known:
            raise unknown_name("judge", name, known, "bench list judges")

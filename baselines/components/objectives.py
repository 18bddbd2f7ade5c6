"""Objectives by name: what is trained together (`baselines.objectives`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from baselines.components.registry import Part
from baselines.objectives.objective import Scheme

MOST_POOLED = 1000


@dataclass(frozen=True)
class Pairs:
    """A generator on pairs, with or without a discriminator (Isola et al. 2017, section 3)."""


@dataclass(frozen=True)
class Cycle:
    """Two generators and two discriminators without pairs (CycleGAN, Zhu et al. 2017, section 3).

    Attributes:
        lambda_cycle: weight of both cycle losses, L1 between an image and its translation there and back
            (Zhu et al. 2017, eq. 3: 10).
        lambda_identity: weight of both identity losses, as a share of `lambda_cycle` (section 5.2: 0.5);
            0 = none. The published results on labels and photos had none; the released code has 0.5.
        pool_size: generated images that each discriminator's pool holds (section 4: 50); 0 = no pool.
    """

    lambda_cycle: float = 10.0
    lambda_identity: float = 0.5
    pool_size: int = 50

    def __post_init__(self) -> None:
        for name in ("lambda_cycle", "lambda_identity"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected a finite {name} of at least 0, found {getattr(self, name)}")
        if not 0 <= self.pool_size <= MOST_POOLED:
            raise ValueError(f"expected pool_size from 0 to {MOST_POOLED}, found {self.pool_size}")


def _pairs(fields: Pairs) -> Scheme:
    from baselines.objectives import paired  # it is built from the parts here

    return Scheme(paired.networks, paired.start)


def _cycle(fields: Cycle) -> Scheme:
    from baselines.objectives import cycle

    made = partial(cycle.networks, fields)
    return Scheme(
        made,
        partial(cycle.Cyclic, fields),
        paired=False,
        passes=(6, 2),  # there and back, and the identities, of both generators
        images=fields.pool_size,
        shared=False,
    )


PAIRED = Part(Pairs, _pairs)
CYCLE = Part(Cycle, _cycle, training={"lr_schedule": "linear"})

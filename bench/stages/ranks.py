"""Which of a command's processes this one is, as `torchrun` or Slurm's `srun` says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from bench.core.errors import UsageError

_TORCHRUN = "RANK", "WORLD_SIZE", "LOCAL_RANK"
_SLURM = "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"
_MEETING = "MASTER_ADDR", "MASTER_PORT"


@dataclass(frozen=True)
class Place:
    """A process among several.

    Attributes:
        rank: from 0, over all machines.
        world: how many there are.
        local: from 0, on this machine.
    """

    rank: int
    world: int
    local: int


def place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place, or None if it is alone.

    Slurm's variables count only if the processes know where to meet (MASTER_ADDR, MASTER_PORT): a batch
    script that starts one process has them too.

    Raises:
        UsageError: if only some of the variables are set, or they make no sense.
    """
    for names in (_TORCHRUN, _SLURM):
        needed = (*names, *_MEETING)
        given = {name: environment[name] for name in needed if name in environment}
        if names is _SLURM and not all(name in given for name in _MEETING):
            continue
        if not any(name in given for name in names):
            continue
        if len(given) < len(needed):
            missing = ", ".join(name for name in needed if name not in given)
            raise UsageError(
                f"expected {', '.join(needed)} in the environment, found no {missing}: start the processes "
                "by torchrun or srun, or unset the others"
            )
        return _checked(given, names)
    return None


def _checked(given: Mapping[str, str], names: tuple[str, str, str]) -> Place | None:
    try:
        rank, world, local = (int(given[name]) for name in names)
    except ValueError:
        found = ", ".join(f"{name}={given[name]}" for name in names)
        raise UsageError(f"expected whole numbers in the environment, found {found}: unset them") from None
    if not 0 <= rank < world or not 0 <= local < world:
        raise UsageError(
            f"expected ranks below {world} in the environment, found {names[0]}={rank}, {names[2]}={local}: "
            "start the processes by torchrun or srun"
        )
    return None if world == 1 else Place(rank, world, local)

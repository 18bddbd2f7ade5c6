"""Whether the trainings of a grid fit into memory, before they start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from baselines.sizes import NATIVE, image_size
from bench.core.errors import UsageError
from bench.launch.cost.estimate import gpu_bytes, largest_size, training_bytes
from bench.spec.grid import Plan
from bench.spec.run_spec import RunSpec

_CHECKED_FROM = 512 * 512 + 1  # pixels: smaller images fit into any machine of today


class Need(NamedTuple):
    """The memory of one training by counting (networks, what is kept for the backward pass, on a GPU also the
    stored pairs), and what is there; bytes. `there` is None where it is not known.

    Temporary results are not counted: on a CPU, trainings of 1024x512 and 2048 px took 1.15 to 1.45
    times the count.
    """

    spec: RunSpec
    size: str
    needed: int
    there: int | None

    def __str__(self) -> str:
        known = "" if self.there is None else f", {self.there / 1e9:.1f} GB are available"
        return f"at least {self.needed / 1e9:.1f} GB for a training at {self.size} px{known}"


def need_of(plans: Sequence[Plan], device: str) -> Need:
    """The need of the training that takes the most."""
    on_gpu = device.startswith("cuda")
    count = gpu_bytes if on_gpu else training_bytes
    needs = [
        Need(
            spec,
            str(largest_size(spec, plan.dataset, plan.data.train_n)),
            count(spec, plan.dataset, plan.data.train_n),
            None,
        )
        for plan in plans
        for spec in {_kind(run): run for run in plan.runs}.values()
    ]
    return max(needs, key=lambda need: need.needed)._replace(there=available_bytes(device))


def check_memory(plans: Sequence[Plan], device: str, at_once: int) -> Need | None:
    """The need of the largest training, if images are larger than 512x512; None otherwise.

    Raises:
        UsageError: if `at_once` such trainings take more memory than there is.
    """
    large = [plan for plan in plans if any(_is_large(run, plan) for run in plan.runs)]
    if not large:
        return None
    need = need_of(large, device)
    if need.there is not None and need.needed * at_once > need.there:
        times = f" ({at_once} at once)" if at_once > 1 else ""
        raise UsageError(
            f"expected memory for {need.spec.label}{times}, found too little: {need}; use a smaller --size, "
            "--base-filters or --batch-size" + (", or fewer --jobs" if at_once > 1 else "")
        )
    return need


def available_bytes(device: str) -> int | None:
    """Memory that a training may take on `device`; None: not known here."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0]) if torch.cuda.is_available() else None
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _kind(run: RunSpec) -> tuple[object, ...]:
    """What a training's memory depends on."""
    training, variant = run.training, run.variant
    nets = variant.generator, variant.adversarial, variant.receptive_field, variant.norm
    parts, sizes = (variant.objective, variant.parts), (training.size_px, training.levels)
    return (*nets, *parts, *sizes, training.batch_size, training.base_filters)


def _is_large(run: RunSpec, plan: Plan) -> bool:
    if run.training.size_px == NATIVE:
        return largest_size(run, plan.dataset, plan.data.train_n).pixels >= _CHECKED_FROM
    return image_size(run.training.size_px).pixels >= _CHECKED_FROM

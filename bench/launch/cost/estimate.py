"""What a grid will cost, before it runs: parameters by construction, time from `bench speed` or a probe."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from baselines.engine import resolve_device
from baselines.layers import parameter_count
from baselines.objectives.scheme import build_networks, check_fits, scheme_of
from baselines.sizes import NATIVE, ImageSize, Size, image_size, size_for
from baselines.trainer import Trainer
from bench.core.errors import UsageError
from bench.data.dataset import Dataset
from bench.launch.cost.kept_times import kept, kept_rate
from bench.launch.cost.measure import Question
from bench.launch.cost.step_worker import random_pairs
from bench.launch.one_training import training_of
from bench.spec.grid import Plan
from bench.spec.policy import Keep
from bench.spec.run_spec import RunSpec

_WARM_UP_STEPS, _TIMED_STEPS = 2, 3
_STATES = 3  # the last two, and the one being written
_ADAM_COPIES = 3  # weights and two moments, as the saved training state holds them


class Parameters(NamedTuple):
    """Trainable parameters of both networks; `discriminator` is 0 without one.

    `others`: of all further networks, such as those of the way back.
    """

    generator: int
    discriminator: int
    others: int = 0


def parameters(spec: RunSpec, dataset: Dataset) -> Parameters:
    """Parameters of a run's networks; allocates no weights."""
    counts = {name: parameter_count(network) for name, network in _networks(spec, dataset).items()}
    return Parameters(counts.pop("generator"), counts.pop("discriminator", 0), sum(counts.values()))


def check_parts(plans: Sequence[Plan]) -> None:
    """Build the parts of every variant once, without allocating weights.

    Raises:
        UsageError: if one does not fit the size, the images or the other parts.
    """
    seen = set()
    for plan in plans:
        channels = plan.dataset.source_channels, plan.dataset.target_channels
        for spec in plan.runs:
            settings = replace(spec.training, steps=1)
            if (spec.variant, settings, channels) in seen:
                continue
            seen.add((spec.variant, settings, channels))
            try:
                check_fits(spec.variant, settings, channels)
            except ValueError as error:
                raise UsageError(f"variant '{spec.variant.name}': {error}") from None


def _networks(spec: RunSpec, dataset: Dataset) -> dict[str, torch.nn.Module]:
    """All networks by name, without allocating weights."""
    channels = dataset.source_channels, dataset.target_channels
    return build_networks(spec.variant, spec.training, channels)


def _held(spec: RunSpec, dataset: Dataset) -> int:
    """Bytes of the generated images that a training state holds."""
    images = scheme_of(spec.variant).images
    channels = dataset.source_channels + dataset.target_channels
    return 4 * images * channels * image_size(spec.training.size_px).pixels if images else 0


def gpu_bytes(spec: RunSpec, dataset: Dataset, train_n: int) -> int:
    """The most bytes of a GPU that one training takes, by counting: networks, and the stored pairs."""
    loaded = size_for(spec.training.load_size_px, largest_size(spec, dataset, train_n))
    pairs = train_n * loaded.pixels * (dataset.source_channels + dataset.target_channels)
    return training_bytes(spec, dataset, train_n) + pairs


def training_bytes(spec: RunSpec, dataset: Dataset, train_n: int) -> int:
    """The most bytes that the networks of one training take, by counting.

    Counts weights with gradients and moments, and what forward passes keep for backward passes (in float32; D
    sees real and generated images), for the largest image.
    """
    settings, channels = spec.training, (dataset.source_channels, dataset.target_channels)
    networks, (passes, judged) = _networks(spec, dataset), scheme_of(spec.variant).passes
    shape = largest_size(spec, dataset, train_n).shape
    source, target = (torch.empty(settings.batch_size, n, *shape, device="meta") for n in channels)
    kept = passes * _kept_for_backward(networks["generator"], source)
    if (discriminator := networks.get("discriminator")) is not None:
        conditional = spec.variant.adversarial == "cgan"
        kept += judged * _kept_for_backward(discriminator, source if conditional else None, target)
    counts = parameters(spec, dataset)
    weights = (1 + _ADAM_COPIES) * sum(counts) + (counts.generator if settings.ema else 0)
    return 4 * weights + kept + _held(spec, dataset)


def largest_size(spec: RunSpec, dataset: Dataset, train_n: int) -> ImageSize:
    """The size of the largest image that is trained on."""
    if spec.training.size_px != NATIVE:
        return image_size(spec.training.size_px)
    return max(dataset.own_sizes("train", train_n), key=lambda size: size.pixels)


def typical_size(spec: RunSpec, dataset: Dataset, train_n: int) -> Size:
    """The size at which a step is timed: of all images, or of the one with the median area."""
    if spec.training.size_px != NATIVE:
        return spec.training.size_px
    sizes = sorted(dataset.own_sizes("train", train_n), key=lambda size: size.pixels)
    return sizes[len(sizes) // 2].document


def _kept_for_backward(network: torch.nn.Module, *inputs: torch.Tensor | None) -> int:
    """Bytes that autograd keeps of one forward pass, weights included; nothing is computed."""
    kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(*inputs)
    return kept


class StepTime(NamedTuple):
    """The time of a training step.

    Attributes:
        seconds: alone on its device.
        measured_on: the day `bench speed` measured it; None: measured just now.
        together: seconds while several runs share the device, by `bench speed --jobs`; None: not measured.
    """

    seconds: float
    measured_on: str | None
    together: float | None = None


def step_time(spec: RunSpec, dataset: Dataset, device: str, sharing: int = 1) -> StepTime:
    """The time that `bench speed` measured on this device, else the median of a few steps taken now.

    Where steps of several kinds alternate, it is the median of the means over their turns.

    Args:
        spec, dataset, device: of the run, which has as many threads as this process.
        sharing: runs on the device at once.
    """
    channels = dataset.source_channels, dataset.target_channels
    size = typical_size(spec, dataset, spec.data.train_n)
    question = Question(spec.variant, spec.training, channels, device, torch.get_num_threads())
    seconds, day = kept(question) or (_probed(spec, size, channels, device), None)
    rate = kept_rate(replace(question, jobs=sharing)) if sharing > 1 else None
    together = None if rate is None else sharing * spec.training.batch_size / rate
    return StepTime(seconds, day, together)


def with_lanes(seconds: Iterable[float], lanes: int) -> float:
    """Seconds until all are done; each, in order, goes to the first free lane."""
    ends = [0.0] * lanes
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def _probed(spec: RunSpec, size: Size, channels: tuple[int, int], device: str) -> float:
    period = scheme_of(spec.variant).period
    settings = replace(spec.training, steps=_WARM_UP_STEPS + max(_TIMED_STEPS, 2 * period), size_px=size)
    where = resolve_device(device)
    data = random_pairs(settings.load_size_px, channels)
    trainer = Trainer(spec.variant, settings, data, 0, where)
    seconds = []
    for _ in range(settings.steps):
        started = time.perf_counter()
        trainer.step()
        if where.type == "cuda":
            torch.cuda.synchronize(where)
        seconds.append(time.perf_counter() - started)
    timed = seconds[_WARM_UP_STEPS:]
    whole = [timed[start : start + period] for start in range(0, len(timed) - period + 1, period)]
    return float(np.median([np.mean(steps) for steps in whole]))


def grid_step_times(
    specs: list[RunSpec], dataset: Dataset, device: str, sharing: int = 1
) -> dict[str, StepTime]:
    """Run hash -> time of a step; runs that differ only in seed or steps are measured once."""
    measured: dict[str, StepTime] = {}
    result = {}
    for spec in specs:
        alike = replace(spec, seed=0, training=replace(spec.training, steps=1)).hash
        if alike not in measured:
            measured[alike] = step_time(spec, dataset, device, sharing)
        result[spec.hash] = measured[alike]
    return result


def where_from(times: Iterable[StepTime]) -> str:
    """Where estimates come from, in words."""
    days = [time.measured_on for time in times]
    said = ["measured on a few steps"] if None in days else []
    said += [f"from `bench speed`, {day}" for day in sorted({day for day in days if day})]
    return "; ".join(said)


def _test_pixels(spec: RunSpec, dataset: Dataset, test_n: int) -> int:
    if spec.training.size_px != NATIVE:
        return test_n * image_size(spec.training.size_px).pixels
    return sum(size.pixels for size in dataset.own_sizes("test", test_n))


class Room(NamedTuple):
    """The most bytes that a grid takes in its output.

    Attributes:
        checkpoints: generators that stay.
        predictions: test images, uncompressed.
        states: training states: two kept and one being written, for each run in training; the best generator
            so far, where the step is chosen; and the end of a shorter run, from which a longer one goes on.
    """

    checkpoints: int
    predictions: int
    states: int

    @property
    def total(self) -> int:
        return sum(self)

    def __str__(self) -> str:
        parts = (
            f"{size / 1e6:,.0f} MB {name}" for name, size in zip(self._fields, self, strict=True) if size
        )
        return f"at most {', '.join(parts)} (states only while training)"


def room_needed(
    runs: Sequence[tuple[RunSpec, Dataset, int]],
    keep: Keep,
    sample_points: int,
    at_once: int,
    lengths: Sequence[int] = (),
) -> Room:
    """Room for runs that do not exist yet, each with its data set and number of test images.

    Of a way back it is that of its predictions: its generator is kept by the run that trains it. With
    `lengths` (steps, rising) one training makes the runs that differ only in these: its states count once,
    and the end of a shorter run is kept until a longer one is done.
    """
    checkpoints = predictions = 0
    states: dict[RunSpec, int] = {}
    ends: dict[RunSpec, int] = {}
    for spec, dataset, test_n in runs:
        predictions += _test_pixels(spec, dataset, test_n) * dataset.target_channels
        if spec.back:
            continue
        counts, ways = parameters(spec, dataset), 2 if scheme_of(spec.variant).both_ways else 1
        checkpoints += 4 * counts.generator * ((sample_points if keep == "all" else 0) + ways)
        averaged = ways * counts.generator if spec.training.ema else 0
        best = 0 if spec.choice is None else 4 * counts.generator
        state = 4 * (_ADAM_COPIES * sum(counts) + averaged) + _held(spec, dataset)
        training = training_of(spec) if lengths else spec
        states[training] = state * _STATES + best
        if lengths and spec.training.steps < lengths[-1]:
            ends[training] = state
    if keep == "none":  # each is deleted once it is scored
        checkpoints = checkpoints * at_once // max(len(runs), 1)
    in_training = sum(sorted(states.values())[-at_once:])
    return Room(checkpoints, predictions, in_training + sum(ends.values()))

"""Every way of bringing images to the device gives the same ones, bit for bit; the engines' choice."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_pairs import Pairs, noise_pairs

from baselines.execution import Captured, Eager, execution
from baselines.feed import Feed, HostFeed, ResidentFeed, StreamedFeed, feed_for
from baselines.pairs import batch_at, choices_at, raw_tensor, scaled, to_tensor
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant
from bench.cli.main import invoke

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=6, size_px=32, base_filters=4)


def pairs(dtype: type = np.uint8, count: int = 130, side: int = 36) -> Pairs:
    """More than are copied at once; one channel and three."""
    made = noise_pairs(count, side, (1, 3), dtype)
    made.source[0, :2], made.source[0, 2:4] = 0, np.iinfo(dtype).max
    return made


@pytest.mark.parametrize("kind", [ResidentFeed, StreamedFeed])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("batch_size", "places"), [(1, range(1)), (3, range(3)), (4, range(2, 4))])
def test_every_feed_gives_the_same_images(
    kind: type[ResidentFeed], dtype: type, batch_size: int, places: range
) -> None:
    """For more steps than are prepared ahead, and over the end of an epoch."""
    settings, data = replace(SETTINGS, batch_size=batch_size), pairs(dtype)
    one, other = (make(data, settings, 3, places, CPU) for make in (HostFeed, kind))
    for step in (0, 1, 2, 3, 4, 5, 31, 32, 43, 129, 130):
        one.fetch(step)
        other.fetch(step)
        for expected, found in zip(one.images(), other.images(), strict=True):
            assert found.dtype == torch.float32
            assert torch.equal(expected, found), step
    assert other.waited > 0


def test_what_a_graph_would_hold_stays_in_place() -> None:
    feed = ResidentFeed(pairs(), SETTINGS, 0, range(1), CPU)
    (before,) = feed._staging.held
    feed.fetch(7)
    assert feed._staging.held[0] is before
    np.testing.assert_array_equal(before, choices_at(7, 130, SETTINGS, 0))


def test_the_jitter_can_be_left_out() -> None:
    settings, data = replace(SETTINGS, jitter=False, mirror=False), pairs(side=32)
    feed = ResidentFeed(data, settings, 0, range(1), CPU)
    feed.fetch(0)
    assert torch.equal(feed.images()[1], to_tensor(batch_at(0, data, settings, 0)[1], CPU))


def test_images_are_scaled_by_their_own_range() -> None:
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        levels = np.array([0, 1, top // 2 + 1, top - 1, top], dtype).reshape(1, 1, 5, 1)
        found = scaled(raw_tensor(levels)).flatten()
        np.testing.assert_allclose(found, levels.flatten() / (top / 2) - 1, atol=1e-7)
        assert found[0] == -1


def test_read_only_memory_maps_feed_too(tmp_path: Path) -> None:
    data = pairs(count=3)
    np.save(tmp_path / "source.npy", data.source)
    mapped = Pairs(np.load(tmp_path / "source.npy", mmap_mode="r"), data.target)
    feeds: list[Feed] = [ResidentFeed(held, SETTINGS, 0, range(1), CPU) for held in (data, mapped)]
    for feed in feeds:
        feed.fetch(1)
    assert torch.equal(feeds[0].images()[0], feeds[1].images()[0])


def test_a_processor_has_its_own_feed() -> None:
    assert isinstance(feed_for(pairs(), SETTINGS, 0, range(1), CPU), HostFeed)


def test_engines_are_chosen_with_a_reason() -> None:
    gpu = torch.device("cuda")  # nothing is done on it before the first step

    def chosen(engine: Any, device: torch.device, world: int = 1) -> Eager | Captured:
        return execution(engine, device, world, [], nullcontext)

    assert (chosen("eager", gpu).used, chosen("eager", gpu).reason) == ("eager", None)
    assert (chosen("captured", gpu).used, chosen("captured", gpu).reason) == ("captured", None)
    here, together = chosen("captured", CPU), chosen("captured", gpu, 2)
    assert (here.used, together.used) == ("eager", "eager")
    assert "needs a CUDA device" in str(here.reason)
    assert "2 processes" in str(together.reason)


def test_a_captured_run_without_a_gpu_trains_as_an_eager_one_and_says_so() -> None:
    runs = [
        Trainer(parse_variant("l1+cgan"), replace(SETTINGS, engine=engine), pairs(), 0, CPU)
        for engine in ("eager", "captured")
    ]
    for run in runs:
        list(run.train(log_every=3))
    one, other = (run.generator.state_dict() for run in runs)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (runs[1].engine_used, runs[0].engine_reason) == ("eager", None)
    assert "CUDA" in str(runs[1].engine_reason)


@pytest.mark.parametrize("asked", [["--engine", "captured"], ["--set", "engine=eager,captured"]])
def test_a_captured_step_needs_a_gpu(asked: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    grid = ["run", "--variants", "l1", "--dataset", "toycity", "--size", "32", "--device", "cpu", "--dry-run"]
    assert invoke([*grid, *asked]) == 2
    assert "expected a CUDA device for --engine captured" in " ".join(capfd.readouterr().err.split())

"""What a captured step asks of torch, on a GPU that is not there: torch's own bookkeeping is played.

Played as torch 2.11 does it: the end of a broken capture raises, and leaves the capture's stream the current
one and the allocator at the graph's pool.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch

from baselines import execution
from baselines.engine import make_current
from baselines.execution import Captured

POOL = (7, 0)


class Stream:
    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wait_stream(self, other: Stream) -> None:
        pass


class Gpus:
    """Two of them, with the state that torch keeps."""

    def __init__(self, *, mends_itself: bool = False) -> None:
        self.mends_itself = mends_itself
        self.current = 0
        self.main = [Stream(torch.device("cuda", index)) for index in range(2)]
        self.streams = list(self.main)  # the current one of each
        self.to_pool = False
        self.pool_uses = 0
        self.captures: list[tuple[int, Stream]] = []
        self.broken = False
        self.events: Counter[str] = Counter()

    def set_stream(self, stream: Stream) -> None:
        self.current = stream.device.index
        self.streams[self.current] = stream

    @contextmanager
    def device(self, device: torch.device) -> Any:
        before, self.current = self.current, device.index
        yield
        self.current = before

    @contextmanager
    def stream(self, stream: Stream) -> Any:
        here, there = self.streams[self.current], self.streams[stream.device.index]
        self.set_stream(stream)
        yield
        self.set_stream(there)
        self.set_stream(here)

    @contextmanager
    def graph(self, graph: Graph, pool: Any, stream: Stream) -> Any:
        assert pool == POOL
        before = self.streams[self.current]
        self.set_stream(stream)
        self.captures.append((self.current, stream))
        self.to_pool, self.pool_uses = True, self.pool_uses + 1
        graph.holds_pool = True
        try:
            yield
        finally:
            if self.broken:
                raise RuntimeError("operation failed due to a previous error during capture")
            self.to_pool = False
            self.set_stream(before)

    def end_allocation(self, index: int, pool: Any) -> None:
        assert (index, pool) == (self.captures[-1][0], POOL)
        if not self.to_pool:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.to_pool = False

    def release(self, index: int, pool: Any) -> None:
        assert (index, pool) == (self.captures[-1][0], POOL)
        self.pool_uses -= 1
        assert self.pool_uses >= 0


class Graph:
    def __init__(self, gpus: Gpus) -> None:
        self.gpus, self.holds_pool = gpus, False

    def register_generator_state(self, stream: torch.Generator) -> None:
        self.gpus.events["registered"] += 1

    def replay(self) -> None:
        self.gpus.events["replayed"] += 1

    def reset(self) -> None:
        if self.gpus.mends_itself:
            self.gpus.to_pool, self.gpus.pool_uses = False, self.gpus.pool_uses - 1


class Generator:
    """Counts that its state was replaced."""

    def __init__(self, gpus: Gpus | None = None) -> None:
        self.gpus = gpus

    def graphsafe_get_state(self) -> None:
        return None

    def graphsafe_set_state(self, state: None) -> None:
        assert self.gpus is not None
        self.gpus.events["fresh generator"] += 1


@pytest.fixture(params=[False, True], ids=["2.11", "later"])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gpus:
    made = Gpus(mends_itself=request.param)
    for name, value in {
        "Stream": Stream,
        "CUDAGraph": lambda: Graph(made),
        "graph_pool_handle": lambda: POOL,
        "current_device": lambda: made.current,
        "current_stream": lambda device: made.streams[device.index],
        "set_stream": made.set_stream,
        "device": made.device,
        "stream": made.stream,
        "graph": made.graph,
        "synchronize": lambda: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", made.end_allocation, raising=False)
    monkeypatch.setattr(torch._C, "_cuda_releasePool", made.release, raising=False)
    monkeypatch.setattr(torch, "Generator", lambda device: Generator())
    monkeypatch.setattr(execution, "_broken", [])
    monkeypatch.setattr(execution, "default_generator", lambda device: Generator(made))
    return made


def captured(gpus: Gpus, index: int) -> Captured:
    own: Any = Generator(gpus)
    return Captured(torch.device("cuda", index), [own], nullcontext)  # type: ignore[arg-type]


@pytest.mark.parametrize("index", [0, 1])
def test_a_step_is_captured_on_its_own_gpu_and_replayed(gpus: Gpus, index: int) -> None:
    run, done = captured(gpus, index), []
    for _ in range(6):
        run.run(lambda: done.append(gpus.streams[index]))
    assert len(done) == 4  # three steps and the capture
    assert all(
        stream is done[0] is not gpus.main[index] for stream in done
    )  # on one stream beside the main one
    assert gpus.captures == [(index, done[0])]
    assert gpus.events == {"registered": 1, "replayed": 3}
    assert (run.used, run.reason) == ("captured", None)
    assert (gpus.current, gpus.streams) == (0, gpus.main)


def test_every_kind_of_step_has_a_graph_of_its_own(gpus: Gpus) -> None:
    """Every third step is of another kind, as in DiscoGAN."""
    run = captured(gpus, 0)
    done: list[str] = []
    for step in range(15):
        kind = "other" if step % 3 == 0 else "one"
        run.run(lambda: done.append(kind), kind)  # noqa: B023 - called at once
    assert done == ["other", "one", "one", "other", "one", "one", "other", "other"]
    assert len(gpus.captures) == 2
    assert gpus.events["replayed"] == 15 - 6
    run.forget()
    run.run(lambda: done.append("again"), "one")
    assert done[-1] == "again"


def test_one_kind_that_cannot_be_captured_makes_all_eager(gpus: Gpus) -> None:
    def work() -> None:
        done.append(kind)
        if gpus.to_pool and kind == "other":
            gpus.broken = True
            raise RuntimeError("not permitted")

    run, done = captured(gpus, 0), []
    for kind in ["one"] * 5 + ["other"] * 5 + ["one"] * 2:
        run.run(work, kind)
    assert run.reason == "the step could not be captured: not permitted"
    assert done == ["one"] * 4 + ["other"] * 6 + ["one"] * 2  # five of the other kind, and the capture
    assert (gpus.current, gpus.streams) == (0, gpus.main)


@pytest.mark.parametrize("index", [0, 1])
def test_a_broken_capture_leaves_nothing_behind(gpus: Gpus, index: int) -> None:
    def work() -> None:
        if gpus.to_pool:
            gpus.broken = True
            raise RuntimeError("operation not permitted when stream is capturing\nSearch for it")
        done.append(gpus.streams[index])

    run, done = captured(gpus, index), []
    for _ in range(6):
        run.run(work)
    assert run.used == "eager"
    assert run.reason == "the step could not be captured: operation not permitted when stream is capturing"
    assert done[3:] == 3 * [gpus.main[index]]  # the step of the capture is done, too
    assert (gpus.current, gpus.streams) == (0, gpus.main)
    assert (gpus.to_pool, gpus.pool_uses) == (False, 0)
    assert gpus.events["fresh generator"] == 2
    assert len(gpus.captures) == len(execution._broken) == 1


def test_a_capture_that_only_its_end_finds_broken(gpus: Gpus) -> None:
    def work() -> None:
        gpus.broken = True

    run = captured(gpus, 0)
    for _ in range(4):
        run.run(work)
    assert "previous error" in str(run.reason)
    assert (gpus.to_pool, gpus.pool_uses) == (False, 0)


@pytest.mark.parametrize("broken", [False, True])
def test_a_signal_during_the_capture_is_no_reason_to_go_on(gpus: Gpus, broken: bool) -> None:
    def work() -> None:
        if gpus.to_pool:
            gpus.broken = broken
            raise KeyboardInterrupt

    run = captured(gpus, 0)
    for _ in range(3):
        run.run(work)
    with pytest.raises(KeyboardInterrupt):
        run.run(work)
    assert run.reason is None
    assert (gpus.current, gpus.streams, gpus.to_pool) == (0, gpus.main, False)


@pytest.mark.parametrize(("name", "set_to"), [("cuda:1", ["cuda:1"]), ("cuda", []), ("cpu", [])])
def test_a_gpu_that_was_named_becomes_the_current_one(
    name: str, set_to: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: found.append(str(device)))
    make_current(torch.device(name))
    assert found == set_to

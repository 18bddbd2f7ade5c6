"""How a step is executed: operation by operation, or captured once as a CUDA graph and replayed.

A step of pix2pix at batch size 1 has hundreds of small kernels. Launched one by one, they leave a GPU mostly
idle. A graph launches them all at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import torch

from baselines.engine import default_generator
from baselines.settings import EngineName

Work = Callable[[], None]
_broken: list[torch.cuda.CUDAGraph] = []  # failed captures; they hold no GPU memory
_EAGER_STEPS = 3  # before the capture: libraries choose algorithms, Adam makes its moments


class Eager:
    """Executes steps operation by operation.

    Attributes:
        used: the engine that executes steps.
        reason: why it is not the requested engine; None if it is.
    """

    used: EngineName = "eager"

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason

    def run(self, work: Work, kind: str | None = None) -> None:
        """Execute one step."""
        work()

    def forget(self) -> None:
        """State tensors were replaced by others."""


class Captured:
    """Executes the first steps eagerly, then as a CUDA graph. If the capture fails, it stays eager.

    The work must do the same to the same tensors in every step, and must not wait for the device. Where there
    are several kinds of steps, this holds for each, and each has a graph of its own. Dropout
    draws from torch's default generator of the device or from `streams`. Seeded again before a step, these
    give the same numbers in a captured step as in an eager one.

    Args:
        device: a CUDA device.
        streams: generators that the work draws from, besides torch's default one.
        capturable: the context for the capture.

    Attributes: those of `Eager`.
    """

    def __init__(
        self,
        device: torch.device,
        streams: Sequence[torch.Generator],
        capturable: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._device, self._streams, self._capturable = device, streams, capturable
        self._side: torch.cuda.Stream | None = None
        self._graphs: dict[str | None, torch.cuda.CUDAGraph] = {}
        self._eager_steps: Counter[str | None] = Counter()
        self.reason: str | None = None

    @property
    def used(self) -> EngineName:
        return "captured" if self.reason is None else "eager"

    def run(self, work: Work, kind: str | None = None) -> None:
        """Execute one step of a kind."""
        if kind not in self._graphs and self.reason is None and self._eager_steps[kind] == _EAGER_STEPS:
            if (graph := self._capture(work)) is None:
                self._graphs.clear()
            else:
                self._graphs[kind] = graph
        if kind in self._graphs:
            self._graphs[kind].replay()
        elif self.reason is not None:
            work()
        else:
            self._beside(work)
            self._eager_steps[kind] += 1

    def forget(self) -> None:
        """State tensors were replaced by others: drop the graphs, which use the old ones."""
        self._graphs.clear()
        self._eager_steps.clear()

    def _beside(self, work: Work) -> None:
        """Execute a step eagerly, on the stream of the capture."""
        if self._side is None:
            self._side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        main = torch.cuda.current_stream(self._device)
        self._side.wait_stream(main)
        with torch.cuda.stream(self._side):
            work()
        main.wait_stream(self._side)

    def _capture(self, work: Work) -> torch.cuda.CUDAGraph | None:
        """The graph of `work`, which is captured without being executed; None on failure (see `reason`)."""
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        main = torch.cuda.current_stream(self._device)
        said: list[str] = []  # error of the work, then of the end of a broken capture
        signal: list[BaseException] = []

        def noted() -> None:
            try:
                work()
            except Exception as error:
                said.append(_words(error))
                raise
            except BaseException as error:  # Ctrl-C and others: the capture's end must not hide it
                signal.append(error)
                raise

        for stream in self._streams:
            graph.register_generator_state(stream)
        with torch.cuda.device(self._device):  # torch captures on the current device
            try:
                with self._capturable(), torch.cuda.graph(graph, pool=pool, stream=self._side):
                    noted()
            except Exception as error:  # a network, a loss or the driver may raise anything
                said.append(_words(error))
            if not said:
                return graph
            self._mend(graph, pool, main)
        if signal:
            raise signal[0]
        self.reason = f"the step could not be captured: {said[0]}"
        return None

    def _mend(self, graph: torch.cuda.CUDAGraph, pool: Any, main: torch.cuda.Stream) -> None:
        """Clean up after a failed capture on the current GPU.

        If the capture's end fails, `torch.cuda.graph` leaves its stream as the current one, and generators
        still count as captured. In versions around 2.11 the allocators also keep asking the graph whether
        memory comes from its pool. The GPU's allocator can be told to stop; the one of pinned memory cannot,
        so the graph is kept. Later versions end both in `reset`, which makes the calls here fail.
        """
        _broken.append(graph)
        torch.cuda.set_stream(main)
        with suppress(RuntimeError):
            graph.reset()
        ends = [getattr(torch._C, f"_cuda_{name}", None) for name in ("endAllocateToPool", "releasePool")]
        with suppress(RuntimeError):
            for end in filter(None, ends):
                end(torch.cuda.current_device(), pool)
        torch.cuda.synchronize()
        for generator in (default_generator(self._device), *self._streams):
            generator.graphsafe_set_state(torch.Generator(self._device).graphsafe_get_state())


def _words(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def execution(
    engine: EngineName,
    device: torch.device,
    world: int,
    streams: Sequence[torch.Generator],
    capturable: Callable[[], AbstractContextManager[None]],
) -> Eager | Captured:
    """The executor of a training's steps if `engine` is requested and `world` processes train together."""
    if engine == "eager":
        return Eager()
    if device.type != "cuda":
        return Eager("a captured step needs a CUDA device")
    if world > 1:
        return Eager(f"{world} processes train this run together")
    return Captured(device, streams, capturable)

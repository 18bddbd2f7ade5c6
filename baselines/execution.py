"""How a step is executed: operation by operation, or captured once as a CUDA graph and replayed.

A step of pix2pix at batch size 1 is some hundreds of small kernels: launched one by one they leave a GPU
idle. A graph launches them all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch

from baselines.engine import default_generator
from baselines.settings import EngineName

Work = Callable[[], None]
_EAGER_STEPS = 3  # before the capture: libraries choose algorithms, Adam makes its moments


class Eager:
    """Operation by operation.

    Attributes:
        used: what executes steps.
        reason: why not what was asked for; None where it is.
    """

    used: EngineName = "eager"

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason

    def run(self, work: Work) -> None:
        """Do the work of a step."""
        work()

    def forget(self) -> None:
        """State tensors were replaced by others."""


class Captured:
    """The first steps eagerly, then as a CUDA graph; eagerly for good where the capture fails.

    The work must do the same to the same tensors in every step, and wait for nothing. Dropout draws from
    torch's own generator of the device or from `streams`: seeded anew before a step, they give it the same
    numbers captured as they give it eagerly.

    Args:
        device: a CUDA device.
        streams: generators that the work draws from, but for torch's own.
        capturable: a context in which the work is captured.

    Attributes: those of `Eager`.
    """

    def __init__(
        self,
        device: torch.device,
        streams: Sequence[torch.Generator],
        capturable: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._device, self._streams, self._capturable = device, streams, capturable
        self._graph: torch.cuda.CUDAGraph | None = None
        self._eager_steps = 0
        self.reason: str | None = None

    @property
    def used(self) -> EngineName:
        return "captured" if self.reason is None else "eager"

    def run(self, work: Work) -> None:
        """Do the work of a step."""
        if self._graph is None and self.reason is None and self._eager_steps == _EAGER_STEPS:
            self._graph = self._capture(work)
        if self._graph is not None:
            self._graph.replay()
        elif self.reason is not None:
            work()
        else:
            self._beside(work)
            self._eager_steps += 1

    def forget(self) -> None:
        """State tensors were replaced by others: the graph, which knows the old ones, goes."""
        self._graph, self._eager_steps = None, 0

    def _beside(self, work: Work) -> None:
        """Eagerly, on a stream beside the main one, as the capture will be."""
        main = torch.cuda.current_stream(self._device)
        side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        side.wait_stream(main)
        with torch.cuda.stream(side):
            work()
        main.wait_stream(side)

    def _capture(self, work: Work) -> torch.cuda.CUDAGraph | None:
        """The graph of `work`, which is not done meanwhile; None if there is none, for `reason`."""
        graph = torch.cuda.CUDAGraph()
        for stream in self._streams:
            graph.register_generator_state(stream)
        try:
            with self._capturable(), torch.cuda.graph(graph):
                work()
        except Exception as error:  # whatever a network, a loss or the driver has to say against it
            said = str(error).partition("\n")[0] or type(error).__name__
            self.reason = f"the step could not be captured: {said}"
            self._mend()
            return None
        return graph

    def _mend(self) -> None:
        """After a capture that was cut short, generators believe that it goes on: give them fresh states."""
        torch.cuda.synchronize(self._device)
        for generator in (default_generator(self._device), *self._streams):
            generator.graphsafe_set_state(torch.Generator(self._device).graphsafe_get_state())


def execution(
    engine: EngineName,
    device: torch.device,
    world: int,
    streams: Sequence[torch.Generator],
    capturable: Callable[[], AbstractContextManager[None]],
) -> Eager | Captured:
    """What executes the steps of a training where `engine` was asked for; `world` processes train it."""
    if engine == "eager":
        return Eager()
    if device.type != "cuda":
        return Eager("a captured step needs a CUDA device")
    if world > 1:
        return Eager(f"{world} processes train this run together")
    return Captured(device, streams, capturable)

"""Brings the images of a step to the training device.

On a CPU they are cropped from the arrays. A GPU holds all pairs in memory as stored, and a step only needs
the pairs' indices and windows; if there are too many pairs, they stream through pinned memory.
`fetch` is the host's part: it stays a few steps ahead and waits for the device only for that. `images` is the
device's part, which a CUDA graph can capture.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.pairs import PairArrays, batch_at, choices_at, raw_tensor, scaled, to_tensor, windows
from baselines.settings import TrainingSettings
from baselines.sizes import image_size, is_native, size_of

RESIDENT_SHARE = 0.25  # largest share of a GPU's free memory, as several trainings may share a GPU
_STEPS_AHEAD = 4
_PAIRS_AT_ONCE = 64  # copied to the GPU at once


class Feed(Protocol):
    """The images of one training.

    Attributes:
        waited: seconds so far in which the device was idle, waiting for images.
    """

    waited: float

    def fetch(self, step: int) -> None:
        """Prepare the batch of step `step`, which `images` then returns."""
        ...

    def images(self) -> tuple[Tensor, Tensor]:
        """Source and target (N, C, H, W) float32 in [-1, 1]."""
        ...


def check_loaded(data: PairArrays, settings: TrainingSettings) -> None:
    """Refuse pairs of another size than the load size.

    Raises:
        ValueError: with both.
    """
    found = None if data.source.dtype == object else size_of(data.source.shape[1:])
    wanted = None if is_native(settings.size_px) else settings.load_size_px
    if found != wanted:
        said = ["each image's own size" if size is None else f"{size} px" for size in (wanted, found)]
        raise ValueError(f"expected pairs of {said[0]}, found {said[1]}")


def feed_for(
    data: PairArrays,
    settings: TrainingSettings,
    seed: int,
    places: range,
    device: torch.device,
    *,
    paired: bool = True,
) -> Feed:
    """The feed for `device`: pairs stay on a GPU if they take a small part of its free memory.

    Unless `paired`, a step's targets are drawn without regard to its sources (`choices_at`). Images with
    sizes of their own are cropped on the host: a feed for a GPU keeps tensors of one shape.
    """
    if device.type != "cuda" or is_native(settings.size_px):
        return HostFeed(data, settings, seed, places, device, paired=paired)
    free, _ = torch.cuda.mem_get_info(device)
    resident = data.source.nbytes + data.target.nbytes <= RESIDENT_SHARE * free
    return (ResidentFeed if resident else StreamedFeed)(data, settings, seed, places, device, paired=paired)


class HostFeed:
    """Images are cropped and converted on request."""

    def __init__(
        self,
        data: PairArrays,
        settings: TrainingSettings,
        seed: int,
        places: range,
        device: torch.device,
        *,
        paired: bool = True,
    ) -> None:
        self._asked = data, settings, seed, places
        self._device, self._paired = device, paired
        self.waited = 0.0

    def fetch(self, step: int) -> None:
        began = time.perf_counter()
        source, target = batch_at(step, *self._asked, paired=self._paired)
        self._images = to_tensor(source, self._device), to_tensor(target, self._device)
        self.waited += time.perf_counter() - began

    def images(self) -> tuple[Tensor, Tensor]:
        return self._images


class _StagedFeed:
    """A feed that prepares steps on the host, a few steps ahead of the device."""

    def __init__(
        self,
        data: PairArrays,
        settings: TrainingSettings,
        seed: int,
        places: range,
        device: torch.device,
        *,
        paired: bool = True,
    ) -> None:
        self._data, self._settings, self._seed, self._places = data, settings, seed, places
        self._device, self._paired = device, paired
        self._staging = _Staging([tensor.to(device) for tensor in self._prepare(0)])
        self.waited = 0.0

    def _prepare(self, step: int) -> Sequence[Tensor]:
        raise NotImplementedError

    def fetch(self, step: int) -> None:
        self._staging.wait_for_room()
        began = time.perf_counter()
        prepared = self._prepare(step)
        if self._staging.device_is_idle():
            self.waited += time.perf_counter() - began
        self._staging.put(prepared)


class ResidentFeed(_StagedFeed):
    """All pairs are in the device's memory."""

    def __init__(self, data: PairArrays, *asked: Any, paired: bool = True) -> None:
        super().__init__(data, *asked, paired=paired)
        self._stored = [_copied(images, self._device) for images in (data.source, data.target)]

    def _prepare(self, step: int) -> Sequence[Tensor]:
        asked = step, len(self._data.source), self._settings, self._seed, self._places
        kinds = (False,) if self._paired else (False, True)
        return [torch.from_numpy(choices_at(*asked, apart=apart)) for apart in kinds]

    def images(self) -> tuple[Tensor, Tensor]:
        size, held = image_size(self._settings.size_px), self._staging.held
        if self._paired:
            source, target = map(scaled, windows(self._stored, held[0], size))
        else:
            source, target = (
                scaled(windows([stored], choices, size)[0])
                for stored, choices in zip(self._stored, held, strict=True)
            )
        return source, target


class StreamedFeed(_StagedFeed):
    """The host crops and sends each batch while the device works on the one before."""

    def _prepare(self, step: int) -> Sequence[Tensor]:
        batch = batch_at(step, self._data, self._settings, self._seed, self._places, paired=self._paired)
        return [raw_tensor(images) for images in batch]

    def images(self) -> tuple[Tensor, Tensor]:
        source, target = map(scaled, self._staging.held)
        return source, target


def _copied(images: NDArray[Any], device: torch.device) -> Tensor:
    """Copy to `device` in parts, so that main memory holds no second copy."""
    first = raw_tensor(images[:1])
    out = torch.empty((len(images), *first.shape[1:]), dtype=first.dtype, device=device)
    for start in range(0, len(images), _PAIRS_AT_ONCE):
        out[start : start + _PAIRS_AT_ONCE] = raw_tensor(images[start : start + _PAIRS_AT_ONCE])
    return out


class _Staging:
    """Tensors that stay in place on the device (`held`), and a ring of slots that bring their values.

    A slot has memory on the host (pinned for a GPU) and on the device. Values are copied to the slot on a
    separate stream, during the computation, and to `held` when the steps before are done.
    """

    def __init__(self, held: Sequence[Tensor]) -> None:
        self.held = list(held)
        self._device = held[0].device
        self._on_gpu = self._device.type == "cuda"
        self._stream = (
            torch.cuda.Stream(self._device) if self._on_gpu else None  # type: ignore[no-untyped-call]
        )
        self._slots = [_Slot(held, self._on_gpu) for _ in range(_STEPS_AHEAD)]
        self._turn = 0

    def wait_for_room(self) -> None:
        """Wait until the next slot is free: then the device is less than `_STEPS_AHEAD` steps behind."""
        self._turn = (self._turn + 1) % _STEPS_AHEAD
        slot = self._slots[self._turn]
        if slot.read is not None:
            slot.read.synchronize()

    def device_is_idle(self) -> bool:
        """Whether the device has done all its work and is idle."""
        return not self._on_gpu or torch.cuda.current_stream(self._device).query()

    def put(self, values: Sequence[Tensor]) -> None:
        """Set `held` to `values` for all later work of the device."""
        slot = self._slots[self._turn]
        for host, value in zip(slot.host, values, strict=True):
            host.copy_(value)
        if self._stream is None or slot.sent is None or slot.read is None:
            for held, host in zip(self.held, slot.host, strict=True):
                held.copy_(host)
            return
        with torch.cuda.stream(self._stream):
            for there, host in zip(slot.device, slot.host, strict=True):
                there.copy_(host, non_blocking=True)
            slot.sent.record(self._stream)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(slot.sent)
        for held, there in zip(self.held, slot.device, strict=True):
            held.copy_(there)
        slot.read.record(computing)


class _Slot:
    """One place in the ring; it has events only on a GPU."""

    def __init__(self, like: Sequence[Tensor], on_gpu: bool) -> None:
        self.host = [torch.empty(one.shape, dtype=one.dtype, pin_memory=on_gpu) for one in like]
        self.device = [torch.empty_like(one) for one in like] if on_gpu else []
        self.sent = torch.cuda.Event() if on_gpu else None  # type: ignore[no-untyped-call]
        # the host sleeps while it waits: several trainings on a GPU would take each other's cores otherwise
        self.read = torch.cuda.Event(blocking=True) if on_gpu else None  # type: ignore[no-untyped-call]

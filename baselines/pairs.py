"""Makes the tensors of a step from stored pairs: order, jitter, mirroring, range.

Every choice depends only on (seed, epoch) or (seed, step), so an interrupted training resumes exactly, with
no random state to save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.settings import TrainingSettings

_ORDER, _JITTER, _DROPOUT, _WEIGHTS = range(4)  # purposes: one independent stream each


class PairArrays(Protocol):
    """Pairs as arrays: source (N, L, L, C) and target (N, L, L, C'), uint8 or uint16, L the load size."""

    @property
    def source(self) -> NDArray[Any]: ...

    @property
    def target(self) -> NDArray[Any]: ...


def raw_tensor(images: NDArray[Any]) -> Tensor:
    """The same images as a tensor; uint16, which torch hardly supports, as int16 with equal bits."""
    writable = np.require(images, requirements=["C", "W"])  # copies the slices of read-only memory maps
    return torch.from_numpy(writable.view(np.int16) if writable.dtype == np.uint16 else writable)


def scaled(images: Tensor) -> Tensor:
    """(N, H, W, C) from `raw_tensor` -> (N, C, H, W) float32 in [-1, 1], on the same device."""
    wide = images.dtype == torch.int16
    values = images.to(torch.int32).bitwise_and(0xFFFF) if wide else images
    floats = values.permute(0, 3, 1, 2).to(torch.float32)
    return floats.mul_(2.0 / (65535.0 if wide else 255.0)).sub_(1.0).contiguous()


def to_tensor(images: NDArray[Any], device: torch.device) -> Tensor:
    """(N, H, W, C) uint8 or uint16 -> (N, C, H, W) float32 in [-1, 1]."""
    return scaled(raw_tensor(images).to(device))


def to_image(tensor: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(N, C, H, W) in [-1, 1] -> (N, H, W, C) uint8 or uint16, rounded to nearest."""
    full = 65535.0 if dtype == np.uint16 else 255.0
    scaled = tensor.detach().to(torch.float32).add(1.0).mul(full / 2.0).round().clamp(0.0, full)
    image: NDArray[Any] = scaled.permute(0, 2, 3, 1).cpu().numpy().astype(dtype)
    return image


def weight_seed(seed: int) -> int:
    """Seed of the initial weights."""
    return _stream(seed, _WEIGHTS, 0).integers(2**63).item()


def dropout_seed(seed: int, step: int, place: int = 0) -> int:
    """Seed of the dropout masks of one step, for the sample at `place` in the batch."""
    return _stream(seed, _DROPOUT, step, *([place] if place else [])).integers(2**63).item()


def choices_at(
    step: int, total: int, settings: TrainingSettings, seed: int, places: range | None = None
) -> NDArray[np.int64]:
    """The pairs (of `total`) in the batch of step `step`, and the window of each (appendix 6.2).

    Epochs are permutations without replacement; a batch may span two epochs. `places` selects a part of the
    batch; its images are the same as in the whole batch.

    Shapes: (batch_size, 4), or as long as `places`: index, top, left, and 1 if it is mirrored, else 0.
    """
    rng, room = _stream(seed, _JITTER, step), settings.load_size_px - settings.size_px + 1
    choices = []
    for slot in range(settings.batch_size):
        epoch, place = divmod(step * settings.batch_size + slot, total)
        index = int(_order(seed, epoch, total)[place])
        top, left = rng.integers(0, room, size=2).tolist()
        flip = settings.mirror and bool(rng.integers(2))
        if places is None or slot in places:  # numbers are drawn for the others too
            choices.append((index, top, left, int(flip)))
    return np.array(choices, np.int64)


def batch_at(
    step: int, data: PairArrays, settings: TrainingSettings, seed: int, places: range | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Source and target images of step `step`, jittered and mirrored alike by `choices_at`.

    Shapes: two arrays (batch_size, size_px, size_px, C), or as long as `places`.
    """
    sources: list[NDArray[Any]] = []
    targets: list[NDArray[Any]] = []
    for index, top, left, flip in choices_at(step, len(data.source), settings, seed, places).tolist():
        window = np.s_[index, top : top + settings.size_px, left : left + settings.size_px]
        for stored, out in ((data.source, sources), (data.target, targets)):
            crop = stored[window]
            out.append(crop[:, ::-1] if flip else crop)
    return np.stack(sources), np.stack(targets)


def windows(sides: Sequence[Tensor], choices: Tensor, size_px: int) -> list[Tensor]:
    """`batch_at` on the images' device: the host does not read `choices`.

    Shapes: sides (N, L, L, C) each, choices (B, 4) int64 -> (B, size_px, size_px, C) each.
    """
    index, top, left, flip = choices.unbind(1)
    line = torch.arange(size_px, device=choices.device)
    rows = top[:, None] + line
    columns = left[:, None] + torch.where(flip[:, None] > 0, size_px - 1 - line, line)
    window = index[:, None, None], rows[:, :, None], columns[:, None, :]
    return [stored[window] for stored in sides]


_last_order: dict[tuple[int, int, int], NDArray[np.int64]] = {}


def _order(seed: int, epoch: int, total: int) -> NDArray[np.int64]:
    """The order of the pairs in an epoch; the last two are cached, as a batch may need both."""
    key = (seed, epoch, total)
    if key not in _last_order:
        while len(_last_order) > 1:
            del _last_order[next(iter(_last_order))]
        _last_order[key] = _stream(seed, _ORDER, epoch).permutation(total)
    return _last_order[key]


def _stream(seed: int, purpose: int, *index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, *index])))

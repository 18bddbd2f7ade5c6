"""Makes the tensors of a step from stored pairs: order, jitter, mirroring, range.

Every choice depends only on (seed, epoch) or (seed, step), so an interrupted training resumes exactly, with
no random state to save.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.settings import TrainingSettings
from baselines.sizes import ImageSize, image_size

# purposes: one independent stream each
_ORDER, _JITTER, _DROPOUT, _WEIGHTS, _TARGET_ORDER, _TARGET_JITTER, _POOL = range(7)


class PairArrays(Protocol):
    """Pairs as arrays: source (N, H, W, C) and target (N, H, W, C'), uint8 or uint16, at the load size.

    Where images have sizes of their own ("native"): N arrays (H, W, C) each, in an array of objects.
    """

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


def to_image(tensor: Tensor, dtype: np.dtype[Any], *, truncated: bool = False) -> NDArray[Any]:
    """(N, C, H, W) in [-1, 1] -> (N, H, W, C) uint8 or uint16, rounded to nearest.

    `truncated`: down to whole numbers instead, as `tensor2im` of the released PyTorch code does.
    """
    full = 65535.0 if dtype == np.uint16 else 255.0
    floats = tensor.detach().to(torch.float32).add(1.0)
    scaled = floats.div(2.0).mul(full).floor() if truncated else floats.mul(full / 2.0).round()
    scaled = scaled.clamp(0.0, full)
    image: NDArray[Any] = scaled.permute(0, 2, 3, 1).cpu().numpy().astype(dtype)
    return image


def weight_seed(seed: int) -> int:
    """Seed of the initial weights."""
    return _stream(seed, _WEIGHTS, 0).integers(2**63).item()


def dropout_seed(seed: int, step: int, place: int = 0) -> int:
    """Seed of the dropout masks of one step, for the sample at `place` in the batch."""
    return _stream(seed, _DROPOUT, step, *([place] if place else [])).integers(2**63).item()


def pool_stream(seed: int, step: int, pool: int) -> np.random.Generator:
    """Decides in one step what an image pool gives and keeps; `pool` counts the pools of a training."""
    return _stream(seed, _POOL, step, pool)


def choices_at(
    step: int,
    total: int,
    settings: TrainingSettings,
    seed: int,
    places: range | None = None,
    loaded: Callable[[int], ImageSize] | None = None,
    *,
    apart: bool = False,
) -> NDArray[np.int64]:
    """The pairs (of `total`) in the batch of step `step`, and the window of each (appendix 6.2).

    Epochs are permutations without replacement; a batch may span two epochs. `places` selects a part of the
    batch; its images are the same as in the whole batch. `loaded` tells the size of a pair as it is stored;
    by default all have the load size. With `apart`, the choices of targets that are drawn without regard to
    the sources': by an order, jitter and mirroring of their own.

    Shapes: (batch_size, 4), or as long as `places`: index, top, left, and 1 if it is mirrored, else 0.
    """
    rng = _stream(seed, _TARGET_JITTER if apart else _JITTER, step)
    purpose = _TARGET_ORDER if apart else _ORDER
    choices = []
    for slot in range(settings.batch_size):
        epoch, place = divmod(step * settings.batch_size + slot, total)
        index = int(_order(seed, epoch, total, purpose)[place])
        stored = image_size(settings.load_size_px) if loaded is None else loaded(index)
        top, left = _corner(rng, stored, settings.window_in(stored))
        flip = settings.mirror and bool(rng.integers(2))
        if places is None or slot in places:  # numbers are drawn for the others too
            choices.append((index, top, left, int(flip)))
    return np.array(choices, np.int64)


def batch_at(
    step: int,
    data: PairArrays,
    settings: TrainingSettings,
    seed: int,
    places: range | None = None,
    *,
    paired: bool = True,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Source and target images of step `step`, jittered and mirrored alike by `choices_at`.

    Unless `paired`, targets have choices of their own.

    Shapes: two arrays (batch_size, H, W, C) of the training size, or as long as `places`.
    """
    asked = step, len(data.source), settings, seed, places

    def choices(stored: NDArray[Any], *, apart: bool) -> list[list[int]]:
        def loaded(index: int) -> ImageSize:
            return _stored_size(stored, index)

        chosen: list[list[int]] = choices_at(*asked, loaded, apart=apart).tolist()
        return chosen

    def crops(stored: NDArray[Any], chosen: list[list[int]]) -> NDArray[Any]:
        out = []
        for index, top, left, flip in chosen:
            size = settings.window_in(_stored_size(stored, index))
            crop = stored[index][top : top + size.height, left : left + size.width]
            out.append(crop[:, ::-1] if flip else crop)
        return np.stack(out)

    of_sources = choices(data.source, apart=False)
    of_targets = of_sources if paired else choices(data.target, apart=True)
    return crops(data.source, of_sources), crops(data.target, of_targets)


def _stored_size(images: NDArray[Any], index: int) -> ImageSize:
    return ImageSize(*images[index].shape[1::-1])


def _corner(rng: np.random.Generator, loaded: ImageSize, window: ImageSize) -> list[int]:
    """Top and left of a window somewhere in an image of size `loaded`."""
    down, across = loaded.height - window.height + 1, loaded.width - window.width + 1
    if down == across:  # one call: squares draw the numbers that they always drew
        corner: list[int] = rng.integers(0, down, size=2).tolist()
        return corner
    return [int(rng.integers(0, room)) for room in (down, across)]


def windows(sides: Sequence[Tensor], choices: Tensor, size: ImageSize) -> list[Tensor]:
    """`batch_at` on the images' device: the host does not read `choices`.

    Shapes: sides (N, L, L', C) each, choices (B, 4) int64 -> (B, H, W, C) of `size` each.
    """
    index, top, left, flip = choices.unbind(1)
    down = torch.arange(size.height, device=choices.device)
    across = down if size.width == size.height else torch.arange(size.width, device=choices.device)
    rows = top[:, None] + down
    columns = left[:, None] + torch.where(flip[:, None] > 0, size.width - 1 - across, across)
    window = index[:, None, None], rows[:, :, None], columns[:, None, :]
    return [stored[window] for stored in sides]


_last_order: dict[tuple[int, int, int, int], NDArray[np.int64]] = {}


def _order(seed: int, epoch: int, total: int, purpose: int = _ORDER) -> NDArray[np.int64]:
    """The order of the images in an epoch; the last four are cached: a batch may need two a side."""
    key = (seed, epoch, total, purpose)
    if key not in _last_order:
        while len(_last_order) > 3:
            del _last_order[next(iter(_last_order))]
        _last_order[key] = _stream(seed, purpose, epoch).permutation(total)
    return _last_order[key]


def _stream(seed: int, purpose: int, *index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, *index])))

"""The generator's depth and the discriminators' receptive fields for an image size.

A discriminator of n stride-2 layers of 4x4 convolutions, followed by two of stride 1, sees
16, 34, 70, 142, 286 px for n = 1..5 (Isola et al. 2017, appendix 6.1.2). The 1x1 PixelGAN has 1x1
convolutions only. Imports no torch.
"""

from __future__ import annotations

STRIDED_LAYERS: dict[int, int] = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}
MIN_SIZE_PX, MAX_SIZE_PX = 32, 512
MAX_DROPOUT_LAYERS = 3
RECEPTIVE_FIELDS: tuple[int, ...] = tuple(STRIDED_LAYERS)


def depth(size_px: int) -> int:
    """Layers of the generator each way: log2(size_px).

    Raises:
        ValueError: if `size_px` is not a power of two from 32 to 512.
    """
    levels = size_px.bit_length() - 1
    if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX or 2**levels != size_px:
        raise ValueError(
            f"expected a size of 32, 64, 128, 256 or 512 px, found {size_px}: "
            "the generator halves the image down to 1 px"
        )
    return levels


def dropout_steps(size_px: int, at: str = "paper") -> range:
    """The generator's decoder layers that have dropout, counted from the bottleneck (0).

    "paper": the innermost ones, up to three and never the last two. The paper has three at 256 px
    (appendix 6.1.1: CD512-CD512-CD512), the Lua code too; all sizes here have three.
    "released": those of the released PyTorch code's `UnetGenerator`: one layer later, and as many as there
    are levels beyond five: 4 at 512 px, 3 at 256 px, 2 at 128 px, 1 at 64 px, none at 32 px.
    """
    levels = depth(size_px)
    if at == "released":
        return range(1, levels - 4)
    return range(min(MAX_DROPOUT_LAYERS, levels - 2))


def output_side(receptive_field: int, size_px: int) -> int:
    """Side of the discriminator's output map for a `size_px` image; if 0 or less, it cannot be built."""
    if receptive_field == 1:
        return size_px
    side = size_px
    for _ in range(STRIDED_LAYERS[receptive_field]):
        side = side // 2  # 4x4, stride 2, padding 1
    return side - 2  # two 4x4 convolutions of stride 1, padding 1, each one smaller


def fitting(size_px: int) -> list[int]:
    """The receptive fields that can be built at `size_px`."""
    return [rf for rf in RECEPTIVE_FIELDS if output_side(rf, size_px) >= 1]


def smallest_covering(size_px: int) -> int:
    """The smallest receptive field that covers the whole image, else the largest that can be built.

    Returns: 34 at 32 px, 70 at 64 px, 142 at 128 px, 286 at 256 px (and at 512 px, where none covers).
    """
    candidates = fitting(size_px)
    return next((rf for rf in candidates if rf >= size_px), candidates[-1])

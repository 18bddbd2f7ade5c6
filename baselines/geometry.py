"""The generator's depth and the discriminators' receptive fields for an image size.

A generator of n levels halves the image n times, so it needs sides that are multiples of 2^n; other images
are padded by reflection and the output is cropped back. n is what the shorter side can bear.

A discriminator of n stride-2 layers of 4x4 convolutions, followed by two of stride 1, sees
16, 34, 70, 142, 286 px for n = 1..5 (Isola et al. 2017, appendix 6.1.2). The 1x1 PixelGAN has 1x1
convolutions only. Imports no torch.
"""

from __future__ import annotations

from baselines.sizes import MAX_SIDE_PX, MIN_SIDE_PX, NATIVE, ImageSize, Size, image_size

STRIDED_LAYERS: dict[int, int] = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}
MIN_LEVELS, MAX_LEVELS = 5, 9  # 32 px, 512 px: larger images keep more than one pixel at the bottleneck
MAX_DROPOUT_LAYERS = 3
RECEPTIVE_FIELDS: tuple[int, ...] = tuple(STRIDED_LAYERS)


def depth(size: Size) -> int:
    """Layers of the generator each way: the halvings that the shorter side bears, 9 at most.

    Returns: 5 at 32 px, 8 at 256 px, 7 at 256x128 and at 200 px, 9 from 512 px on.

    Raises:
        ValueError: if a side is not 32 to 2048 px, or for "native", whose depth depends on the images.
    """
    sides = image_size(size)
    check_sides(sides)
    return min(MAX_LEVELS, sides.shorter.bit_length() - 1)


def check_sides(sides: ImageSize) -> None:
    """Refuse sides that no generator here is built for.

    Raises:
        ValueError: with the limits.
    """
    if not (sides.shorter >= MIN_SIDE_PX and sides.longer <= MAX_SIDE_PX):
        raise ValueError(
            f"expected a size of {MIN_SIDE_PX} to {MAX_SIDE_PX} px on each side, found {sides.document}"
        )


def padded_size(sides: ImageSize, levels: int) -> ImageSize:
    """`sides`, each rounded up to a multiple of 2^levels: what the generator sees."""
    multiple = 2**levels
    return ImageSize(-(-sides.width // multiple) * multiple, -(-sides.height // multiple) * multiple)


def words_of_padding(size: Size, levels: int) -> str | None:
    """How images are padded for a generator of `levels`; None where they fit as they are."""
    how = f"by reflection to multiples of {2**levels} px"
    if size == NATIVE:
        return f"{how}, cropped back"
    sides = image_size(size)
    to = padded_size(sides, levels)
    return None if to == sides else f"{how} ({sides} to {to} px), cropped back"


def dropout_steps(levels: int, at: str = "paper") -> range:
    """The decoder layers of a generator of so many levels that have dropout, counted from the bottleneck (0).

    "paper": the innermost ones, up to three and never the last two. The paper has three at 256 px
    (appendix 6.1.1: CD512-CD512-CD512), the Lua code too; all depths here have three.
    "released": those of the released PyTorch code's `UnetGenerator`: one layer later, and as many as there
    are levels beyond five: 4 at 512 px, 3 at 256 px, 2 at 128 px, 1 at 64 px, none at 32 px.
    """
    if at == "released":
        return range(1, levels - 4)
    return range(min(MAX_DROPOUT_LAYERS, levels - 2))


def output_side(receptive_field: int, side_px: int) -> int:
    """Side of the discriminator's output map along a side of the image; if 0 or less, it cannot be built."""
    if receptive_field == 1:
        return side_px
    side = side_px
    for _ in range(STRIDED_LAYERS[receptive_field]):
        side = side // 2  # 4x4, stride 2, padding 1
    return side - 2  # two 4x4 convolutions of stride 1, padding 1, each one smaller


def fitting(size: Size) -> list[int]:
    """The receptive fields that can be built at `size`: along its shorter side.

    For "native" all of them: whether one fits depends on the images (`TrainingSettings.least_size`).
    """
    if size == NATIVE:
        return list(RECEPTIVE_FIELDS)
    return [rf for rf in RECEPTIVE_FIELDS if output_side(rf, image_size(size).shorter) >= 1]


def smallest_covering(size: Size) -> int:
    """The smallest receptive field that covers the whole image, else the largest that can be built.

    Returns: 34 at 32 px, 70 at 64 px, 142 at 128 px, 286 at 256 px. From 512 px on, and at "native", 286,
    which does not cover images that are larger.
    """
    candidates = fitting(size)
    if size == NATIVE:
        return candidates[-1]
    return next((rf for rf in candidates if rf >= image_size(size).longer), candidates[-1])

"""Whether resizing changes the aspect of images, in words: a squeezed image must never pass unsaid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from baselines.sizes import ImageSize, Size, is_native, size_for

LOOKED_AT = 200  # images of a split, evenly spaced: a header is quick to read, a hundred thousand are not
_TOLERANCE = 0.01  # rounding a side to whole pixels is no squeeze


def squeezed(own: Sequence[ImageSize], size: Size, of: int | None = None) -> str | None:
    """What happens to the aspect of images at `size`; None where it stays.

    Args:
        own: sizes of the images, or of some of them.
        size: what they are resized to.
        of: how many images there are, if `own` is only a part.

    Returns: "200x250 px (and 2 other sizes) to 64 px, in 12 of 20 images".
    """
    if is_native(size):
        return None
    to = size_for(size, ImageSize(1, 1))
    changed = Counter(one for one in own if _differs(one, to))
    if not changed:
        return None
    (first, _), others = changed.most_common(1)[0], len(changed) - 1
    more = f" (and {others} other size{'s' * (others > 1)})" if others else ""
    looked = f" looked at, of {of:,}" if of is not None and of > len(own) else ""
    count = changed.total()
    which = "" if count == len(own) and not looked else f", in {count:,} of {len(own):,} images{looked}"
    return f"{first} px{more} to {to} px{which}"


def _differs(own: ImageSize, to: ImageSize) -> bool:
    return abs(own.width * to.height - to.width * own.height) > _TOLERANCE * to.width * own.height

"""Resize side-by-side pairs as the released PyTorch code does, so that ours can train on the same pixels.

    python tests/parity/resize_as_released.py DATA/cityscapes --to FOLDER --size 128

The released loader resizes both halves, label colours too, with Pillow's bicubic filter: training pairs to
round(size * 286 / 256), test pairs to the size. Ours resizes label maps with nearest neighbour. FOLDER holds
`train/` and `test/` of PNG pairs in those sizes, which our loader takes as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image


def resized(pair: Image.Image, side: int) -> Image.Image:
    """A pair (2W x H) with both halves at side x side, each resized alone."""
    width, height = pair.size
    out = Image.new("RGB", (2 * side, side))
    for place, left in enumerate((0, width // 2)):
        half = pair.crop((left, 0, left + width // 2, height))
        out.paste(half.resize((side, side), Image.Resampling.BICUBIC), (place * side, 0))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder with train/ and val/ of pairs")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128)
    asked = parser.parse_args()
    load_side = round(asked.size * 286 / 256)
    for given, split, side in (("train", "train", load_side), ("val", "test", asked.size)):
        (asked.to / split).mkdir(parents=True, exist_ok=True)
        for path in sorted((asked.data / given).glob("*.jpg")):
            with Image.open(path) as pair:
                resized(pair.convert("RGB"), side).save(asked.to / split / f"{path.stem}.png")


if __name__ == "__main__":
    main()

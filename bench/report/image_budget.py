"""Images inside the page: read from an output, encoded as WebP, within a budget for the whole page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.core.images import read_png, to_rgb8

MAX_BYTES = 20_000_000  # of all images of a page, as base64; the page stays below 25 MB
_EXACT_PIXELS = 128 * 128  # up to this size, and with few colours at any size, images stay exact
_FEW_COLOURS = 256
_QUALITY = 85


@dataclass(frozen=True)
class ShownImage:
    """One image of the page.

    Attributes:
        kind: "source", "target", "labels" (true label map), "output", or "seen" (what the judge sees in it).
        label: the row whose output it shows; "" for source, target and labels.
        name: stem of the test image.
        data_uri: WebP as a data URI; None where there is no file, or no room.
        width, height: in pixels.
        pixels: (H, W, 3) uint8, or None.
        value: what stands below it, such as its score.
    """

    kind: str
    label: str
    name: str
    data_uri: str | None = None
    width: int = 1
    height: int = 1
    pixels: NDArray[np.uint8] | None = None
    value: str = ""

    @property
    def caption(self) -> str:
        """What the image is, without its name."""
        if self.kind == "output":
            return self.label
        if self.kind == "seen":
            return f"what the judge sees in {self.label}"
        return {"labels": "true labels"}.get(self.kind, self.kind)


@dataclass
class Album:
    """Encodes each file once, and counts what the page holds.

    Attributes:
        budget: bytes of base64 that images may take together.
        used: bytes they take.
        left_out: images for which there was no room.
    """

    budget: int = MAX_BYTES
    used: int = 0
    left_out: int = 0
    _known: dict[Path, tuple[str, NDArray[np.uint8]]] = field(default_factory=dict)

    def image(
        self, out: Path | None, relative: Path | None, kind: str, label: str, name: str, value: str = ""
    ) -> ShownImage:
        """The image at `relative` in `out`; without pixels where it is missing or there is no room."""
        missing = ShownImage(kind, label, name, value=value)
        held = None if out is None or relative is None else self._encoded(out, relative)
        if held is None:
            return missing
        uri, pixels = held
        if self.used + len(uri) > self.budget:
            self.left_out += 1
            return missing
        self.used += len(uri)
        height, width = pixels.shape[:2]
        return ShownImage(kind, label, name, uri, width, height, pixels, value)

    def _encoded(self, out: Path, relative: Path) -> tuple[str, NDArray[np.uint8]] | None:
        path = out / relative
        if path not in self._known and (pixels := _read(out, relative)) is not None:
            self._known[path] = data_uri(pixels), pixels
        return self._known.get(path)

    @property
    def note(self) -> str:
        """What was left out, in words; "" where nothing was."""
        if not self.left_out:
            return ""
        said = "image is" if self.left_out == 1 else "images are"
        return f"{self.left_out} {said} left out, so that the page stays below 25 MB; see the output folder."


def _read(out: Path, relative: Path) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8; None if the file is missing, no image, or not inside the output."""
    if relative.is_absolute() or ".." in relative.parts:
        return None
    try:
        return to_rgb8(read_png(out / relative))
    except (OSError, ValueError):
        return None


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """(H, W, 3) uint8 as WebP: exact where it is small or has few colours (label maps), else lossy."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    exact = image.width * image.height <= _EXACT_PIXELS or image.getcolors(_FEW_COLOURS) is not None
    held = io.BytesIO()
    if exact:
        image.save(held, format="WEBP", lossless=True, quality=60, method=3)
    else:
        image.save(held, format="WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode("ascii")

"""Sources derived from the target: grayscale (colourisation) and edges, for folders of plain photos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DERIVED = ("gray", "edges")
EDGE_SIGMA = 1.0  # px of Canny's Gaussian, at the load size


def derive(kind: str, image: NDArray[Any]) -> NDArray[Any]:
    """The source derived from one target image.

    Args:
        kind: "gray" (luminance, ITU-R 601) or "edges" (Canny of scikit-image; black lines on white).
        image: (H, W, C) uint8 or uint16, at the load size.

    Returns:
        (H, W, 1) uint8; the luminance of a uint16 image is the image itself.
    """
    gray = image if image.shape[2] == 1 else _luminance(image)
    return gray if kind == "gray" else _edges(gray)


def _luminance(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).convert("L"))[..., None]


def _edges(gray: NDArray[Any]) -> NDArray[np.uint8]:
    from skimage.feature import canny  # imported late: it is heavy

    unit = gray[..., 0].astype(np.float64) / np.iinfo(gray.dtype).max
    detect: Callable[..., NDArray[np.bool_]] = canny
    lines = detect(unit, sigma=EDGE_SIGMA)
    return np.where(lines, 0, 255).astype(np.uint8)[..., None]

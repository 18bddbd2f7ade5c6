"""Whether a judge was trained on photos of the test split, by content hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from baselines.sizes import Size, words_of_size
from bench.core.images import to_rgb8
from bench.data.cache import release_array

_AT_ONCE = 64  # images in memory at once: 12 MB at 256 px


def seen_photos(training: NDArray[Any], test: NDArray[Any], size_px: Size) -> dict[str, Any]:
    """How many test photos are, byte for byte, among the photos of a training split.

    Held-out photos count as training photos: they come from the same split. A photo that was encoded or
    cropped again has other bytes and is not found.

    Args:
        training: (N, H, W, C) uint8 or uint16, all photos of the judge's training split.
        test: (M, H, W, C), the photos of the test split.
        size_px: their size, for the record.

    Returns:
        {"training_photos": N, "test_photos": M, "in_common": of the M, "compared": the method}.
    """
    known = set(_digests(training))
    return {
        "training_photos": len(training),
        "test_photos": len(test),
        "in_common": sum(digest in known for digest in _digests(test)),
        "compared": f"sha256 of the decoded pictures at {words_of_size(size_px)}",
    }


def _digests(photos: NDArray[Any]) -> Iterator[bytes]:
    """Hash of each photo as 8-bit RGB; releases pages of a memory map as it goes."""
    for start in range(0, len(photos), _AT_ONCE):
        for photo in photos[start : start + _AT_ONCE]:
            yield hashlib.sha256(to_rgb8(photo).tobytes()).digest()
        release_array(photos)

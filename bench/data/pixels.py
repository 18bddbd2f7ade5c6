"""The second fingerprint of a split: over decoded pixels and names, equal for every layout of its images."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.cache import release_pages
from bench.data.types import SplitArrays

_known: dict[str, str] = {}  # content key of a split -> its fingerprint


def pixel_fingerprint(arrays: SplitArrays) -> str:
    """16 hexadecimal digits over the names (NFC) and, pair by pair, the pixels of source, target and labels.

    The fingerprint that a run's hash holds (`Dataset.fingerprint`) is over the bytes of files, so it differs
    between a folder and an archive of side-by-side images of it. This one is over what was decoded, at the
    size that it was loaded at.
    """
    if arrays.key not in _known:
        found = hashlib.sha256(repr([unicodedata.normalize("NFC", name) for name in arrays.names]).encode())
        for index in range(len(arrays)):
            for part in (arrays.source, arrays.target, arrays.labels):
                found.update(_bytes(None if part is None else part[index]))
        release_pages(arrays)
        _known[arrays.key] = found.hexdigest()[:16]
    return _known[arrays.key]


def _bytes(image: NDArray[Any] | None) -> bytes:
    if image is None:
        return b"none"
    little = np.ascontiguousarray(image).astype(image.dtype.newbyteorder("<"), copy=False)
    return f"{image.shape}{little.dtype.str}".encode() + little.tobytes()

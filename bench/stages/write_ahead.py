"""Images written by threads while the next ones are made.

Encoding a PNG of 256 px takes about 6 ms of CPU, during which other threads can run; a GPU makes an image
much faster.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from numpy.typing import NDArray

from bench.core.images import save_image

MOST_THREADS = 8
_AHEAD = 4  # images that may wait for each thread


def writing_threads(device: torch.device) -> int:
    """0 on a CPU, where the cores make the images; on a GPU as many as torch may use, within limits."""
    return min(MOST_THREADS, torch.get_num_threads()) if device.type == "cuda" else 0


class Writer:
    """Writes images with `threads` threads, or at once if that is 0.

    All are written when its block ends. The first error, in the order of the images, is raised at the next
    `put` or at the end. No thread writes after the block.
    """

    def __init__(self, threads: int) -> None:
        self._most = _AHEAD * threads
        self._pool = ThreadPoolExecutor(threads, "write") if threads else None
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def put(self, path: Path, image: NDArray[Any]) -> None:
        """Have `image` written to `path`; the array must not change."""
        if self._pool is None:
            save_image(path, image)
            return
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= self._most):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(save_image, path, image))

"""Weights that the package does not include: finds them and checks that they are the released ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.files import named_path, sha256_file
from bench.core.progress import Progress
from bench.core.resources import cache_dir
from bench.data.acquire.download import fetch_file

Found = tuple[Path | None, str | None]  # the file; or None, and why it is missing and what to do


@dataclass(frozen=True)
class Released:
    """A published file of weights.

    Attributes:
        url: its address; ends in the file's name.
        prefix: first digits of its sha256.
        variable: environment variable that may name another file, which is used as it is (its hash enters
            the protocol).
        missing: what to say if it is missing.
        again: what to do if it is damaged.
    """

    url: str
    prefix: str
    variable: str
    missing: str
    again: str

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]

    def find(self, usual: Path) -> Found:
        """The file that the variable names, else the one in the folder `usual` if it is the released one."""
        if named := os.environ.get(self.variable):
            path = named_path(named)
            if path.is_file():
                return path, None
            return None, f"${self.variable} names {path}, which is not a file: correct or unset it"
        path = usual / self.file_name
        if not path.is_file():
            return None, self.missing
        if not weights_digest(path).startswith(self.prefix):
            return None, f"the sha256 of {path} does not begin with {self.prefix}: {self.again}"
        return path, None


_ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
INCEPTION = Released(
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
    "PIX2PIX_BENCH_INCEPTION",
    "no Inception weights found: `bench data fetch inception` gets them",
    "delete it, then `bench data fetch inception`",
)
ALEXNET = Released(
    _ALEXNET_URL,
    "7be5be79",
    "PIX2PIX_BENCH_ALEXNET",
    f"no AlexNet weights found: get {_ALEXNET_URL} and name the file in $PIX2PIX_BENCH_ALEXNET, then "
    "`bench score OUT`",
    "delete it and get it again",
)


def fetch_inception(*, progress: Progress | None = None) -> Path:
    """Download torch-fidelity's Inception-v3 weights (2015-12-05) into the cache.

    Raises:
        UsageError: if that fails; the message names the URL and where to put the file by hand.
    """
    path = cache_dir() / "weights" / INCEPTION.file_name
    return fetch_file(INCEPTION.url, path, sha256_prefix=INCEPTION.prefix, progress=progress)


def find_inception(explicit: Path | None = None) -> Found:
    """The Inception weights: `explicit`, else `$PIX2PIX_BENCH_INCEPTION`, else the cache.

    Raises:
        UsageError: if `explicit` is not a file.
    """
    if explicit is None:
        return INCEPTION.find(cache_dir() / "weights")
    if not explicit.is_file():
        raise UsageError(
            f"expected Inception weights at {explicit}, found no file: correct --inception-weights, "
            "or get them with `bench data fetch inception`"
        )
    return explicit, None


def find_alexnet() -> Found:
    """AlexNet's weights: `$PIX2PIX_BENCH_ALEXNET`, else torchvision's download in torch.hub's folder."""
    import torch

    return ALEXNET.find(Path(torch.hub.get_dir()) / "checkpoints")


def weights_digest(path: Path) -> str:
    """Hexadecimal sha256 of a weights file; computed once per process unless its size or time changes."""
    status = path.stat()
    return _digest(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    return sha256_file(path)

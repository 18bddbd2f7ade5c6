"""What all tests share: which of them run here, one thread each, a cache of their own, small images."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # pytest imports this file before any test imports torch
    os.environ.setdefault(_name, "1")

# A shell that starts the tests in the background has them ignore Ctrl-C, which some of them send themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

WritePairs = Callable[..., list[Path]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="also run the tests marked slow")
    parser.addoption(
        "--run-real", action="store_true", help="also run the tests marked real, on $BENCH_REAL_DATA"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = {
        "slow": None if config.getoption("--run-slow") else "slow: run with `make test-slow`",
        "real": _why_no_real_data(config),
        "gpu": _why_no_gpu() if any("gpu" in item.keywords for item in items) else None,
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason is not None and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_real_data(config: pytest.Config) -> str | None:
    if not config.getoption("--run-real"):
        return "needs real data: run with `make test-real DATA=folder`"
    folder = os.environ.get("BENCH_REAL_DATA", "")
    if not Path(folder).is_dir() or not folder:
        return f"expected the real data sets in $BENCH_REAL_DATA, found no folder '{folder}'"
    return None


def _why_no_gpu() -> str | None:
    import torch

    if torch.cuda.is_available():
        return None
    return f"torch {torch.__version__} finds no CUDA device: run with `make test-gpu` where there is one"


@pytest.fixture(scope="session", autouse=True)
def _session_cache(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """No test reads or writes the user's cache; those on real data keep the one they are given.

    The workers of pytest-xdist share one: what one has decoded or trained the others find there.
    """
    kept = request.config.getoption("--run-real") and "PIX2PIX_BENCH_CACHE" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "bench-cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        if not kept:
            patch.setenv("PIX2PIX_BENCH_CACHE", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test outlives a power cut: files need not reach the disk, which on slow ones is half of the time.

    `tests/unit/test_files.py` asks what is forced to it, and when.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, also in `$PIX2PIX_BENCH_CACHE`."""
    folder = tmp_path / "bench-cache"
    folder.mkdir()
    monkeypatch.setenv("PIX2PIX_BENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def write_pairs() -> WritePairs:
    """`write_pairs(root, {"train": 4, "val": 2}, size_px=32)`: side-by-side RGB PNGs `root/SPLIT/N.png`.

    Each half is a smooth gradient with noise, its own in every image and the same in every run.
    """

    def write(root: Path, splits: Mapping[str, int], size_px: int = 32) -> list[Path]:
        paths: list[Path] = []
        ramp = np.linspace(0, 160, 2 * size_px)[None, :, None] + np.linspace(0, 60, size_px)[:, None, None]
        for number, (split, count) in enumerate(splits.items()):
            (root / split).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                noise = np.random.default_rng([number, index]).integers(0, 36, (size_px, 2 * size_px, 3))
                paths.append(root / split / f"{index + 1}.png")
                Image.fromarray((ramp + noise).astype(np.uint8)).save(paths[-1])
        return paths

    return write

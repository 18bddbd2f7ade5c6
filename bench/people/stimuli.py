"""The images of a page: targets, outputs of each variant, sources, and spoilt ones for catch trials."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.core.errors import UsageError
from bench.core.images import read_png, to_rgb8
from bench.people.plan import REAL, SPOILT
from bench.records.gallery import gallery_of
from bench.records.record import RunRecord

SOURCE = "(source)"
_BLOCKS = 6
"""Blocks a side of a spoilt image: nothing but the coarsest colours is left."""


@dataclass(frozen=True)
class Rated:
    """The outputs that raters see: one run a variant, on the test images that all of them have."""

    runs: Mapping[str, RunRecord]
    names: tuple[str, ...]
    target: Callable[[str], NDArray[Any]]
    source: Callable[[str], NDArray[Any]] | None


def chosen_runs(records: Sequence[RunRecord], variants: Sequence[str]) -> dict[str, RunRecord]:
    """Variant -> its finished run of the lowest seed that has images; in the order asked for.

    Raises:
        UsageError: if a variant has none, or there are several data sets, sizes or trainings of one name.
    """
    runs = [
        one for one in records if one.kind == "run" and one.status == "finished" and one.gallery is not None
    ]
    runs = [run for run in runs if gallery_of(run).predictions is not None]
    found: dict[str, RunRecord] = {}
    for run in sorted(runs, key=lambda one: one.seed or 0):
        found.setdefault(run.label, run)
    if not found:
        raise UsageError("expected finished runs with images, found none: `bench run` first")
    for name in variants:
        if name not in found:
            raise UsageError(f"expected a finished run of {name}, found {', '.join(found)}")
    wanted = {name: found[name] for name in variants or found}
    tested = {
        (run.dataset, run.direction, run.spec["data"].get("test_fingerprint")) for run in wanted.values()
    }
    if len(tested) > 1:
        listed = ", ".join(sorted(f"{name} {direction}" for name, direction, _ in tested))
        raise UsageError(
            f"expected variants that were tested on the same images, found {listed}: give --variants"
        )
    return wanted


def pngs(
    out: Path, rated: Rated, names: Sequence[str], seed: int, *, with_source: bool
) -> dict[str, dict[str, bytes]]:
    """Name -> side -> PNG: the target, each output, a spoilt target, and the source where wanted."""
    made: dict[str, dict[str, bytes]] = {}
    for place, name in enumerate(names):
        target = to_rgb8(np.asarray(rated.target(name)))
        sides = {REAL: target, SPOILT: spoilt(target, np.random.default_rng([seed, place]))}
        for label, run in rated.runs.items():
            sides[label] = to_rgb8(read_png(out / str(gallery_of(run).predictions) / f"{name}.png"))
        if with_source and rated.source is not None:
            sides[SOURCE] = to_rgb8(np.asarray(rated.source(name)))
        made[name] = {side: _png(image) for side, image in sides.items()}
    return made


def spoilt(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 -> the same: coarse blocks in wrong colours, so that anyone who looks is right."""
    small = Image.fromarray(image).resize((_BLOCKS, _BLOCKS), Image.Resampling.BOX)
    mixed = np.asarray(small)[..., rng.permutation(3)].reshape(-1, 3)
    blocks = mixed[rng.permutation(len(mixed))].reshape(_BLOCKS, _BLOCKS, 3)
    size = image.shape[1], image.shape[0]
    return np.asarray(Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST))


def available(out: Path, runs: Mapping[str, RunRecord], names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` for which every run has its output in `out`."""
    folders = [out / str(gallery_of(run).predictions) for run in runs.values()]
    return tuple(name for name in names if all((folder / f"{name}.png").is_file() for folder in folders))


def _png(image: NDArray[np.uint8]) -> bytes:
    held = io.BytesIO()
    Image.fromarray(image).save(held, format="PNG", optimize=True)
    return held.getvalue()

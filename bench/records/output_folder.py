"""The layout of an output folder, and checks that it can be written and has room.

OUT/records/<id>.json, .parquet      results and values by image
OUT/predictions/<id>/<stem>.png      every test image of a run
OUT/gallery/<data>/{source,target,labels}/    the fixed gallery images, and those picked by result
OUT/gallery/<data>/segmentation/<id>/         the judge's segmentations of a record's images
OUT/runs/<id>/                       checkpoint, training state, samples
OUT/threads.json                     CPU threads that the output began with
OUT/report/                          index.html, report.md, results.csv, figures/
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.core.images import as_figure, write_png


@dataclass(frozen=True)
class RunFiles:
    """The files of one run."""

    out: Path
    id: str

    @property
    def folder(self) -> Path:
        return self.out / "runs" / self.id

    @property
    def state(self) -> Path:
        """Weights, moments and progress of an unfinished training."""
        return self.folder / "state.safetensors"

    @property
    def state_before(self) -> Path:
        """The state before that one: used if `state` is damaged or missing."""
        return self.folder / "state-before.safetensors"

    @property
    def state_at_end(self) -> Path:
        """The state at the end of a training, from which a longer one continues (`--keep-at`)."""
        return self.folder / "state-at-end.safetensors"

    @property
    def lock(self) -> Path:
        """Lock of the process that works on the run, or on the reference row of that id."""
        return self.out / "locks" / f"{self.id}.lock"

    @property
    def spec(self) -> Path:
        """The run's spec, written before training begins."""
        return self.folder / "spec.json"

    @property
    def checkpoint(self) -> Path:
        """The trained generator; it exists once training has finished."""
        return self.folder / "checkpoint.safetensors"

    @property
    def checkpoint_back(self) -> Path:
        """The second generator of an unpaired training, from targets to sources."""
        return self.folder / "checkpoint-back.safetensors"

    def checkpoint_at(self, step: int) -> Path:
        """The generator at a sample point (`--keep all`)."""
        return self.checkpoints / f"step-{step:07d}.safetensors"

    @property
    def checkpoints(self) -> Path:
        """Generators of the sample points."""
        return self.folder / "checkpoints"

    @property
    def history(self) -> Path:
        """Training curve and seconds of the finished training."""
        return self.folder / "history.json"

    @property
    def validation(self) -> Path:
        """Values on the validation images during training (`bench.stages.validation`)."""
        return self.folder / "validation.json"

    def best_at(self, step: int) -> Path:
        """The best generator so far, of a training that chooses its step."""
        return self.folder / f"best-{step:07d}.safetensors"

    @property
    def best(self) -> list[Path]:
        """All files of `best_at`: one, or two if a process was killed between writing and removing."""
        return sorted(self.folder.glob("best-*.safetensors"))

    @property
    def diversity(self) -> Path:
        """Spread over repeated dropout samples (`bench.stages.probes`)."""
        return self.folder / "diversity.json"

    @property
    def source_response(self) -> Path:
        """Change of outputs when sources are swapped (`bench.stages.probes`)."""
        return self.folder / "source_response.json"

    @property
    def samples(self) -> Path:
        return self.folder / "samples"

    @property
    def predictions(self) -> Path:
        """Predictions for the test split; the folder exists once it holds all of them."""
        return self.out / "predictions" / self.id


def check_writable(out: Path) -> None:
    """Refuse an output folder that cannot be made or written. Leaves nothing behind.

    Raises:
        UsageError: saying why not.
    """
    existing = out
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise UsageError(
            f"expected a folder at {existing} for --out {out}, found a file: choose another --out"
        )
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot write to {existing} for --out {out} ({os.strerror(error.errno or 0)}): "
            "choose another --out"
        ) from None


def check_room(out: Path, needed_bytes: int) -> None:
    """Refuse to begin if the disk has no room for the output.

    Raises:
        UsageError: with both figures.
    """
    existing = out
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise UsageError(
            f"expected {needed_bytes / 1e6:,.0f} MB free for --out {out}, found {free / 1e6:,.0f} MB: "
            "free some room (`bench clean`), choose another --out, or go on with --no-space-check"
        )


def write_gallery(folder: Path, names: Sequence[str], images: Iterable[NDArray[Any]]) -> None:
    """Write `<name>.png` for each image that does not exist yet."""
    for name, image in zip(names, images, strict=True):
        path = folder / f"{name}.png"
        if not path.is_file():
            write_png(path, as_figure(image))

"""The row of a model that was trained elsewhere: from its file to its record."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from baselines.engine import resolve_device
from bench.core.errors import UsageError
from bench.core.images import is_whole
from bench.core.progress import Advance
from bench.data.dataset import Dataset
from bench.records.output_folder import RunFiles
from bench.records.record import RunRecord
from bench.spec.models import ModelRow
from bench.stages.costs import measured_cost
from bench.stages.data_in_use import Workbench
from bench.stages.generate import write_predictions
from bench.stages.models.open_model import open_model
from bench.stages.models.opened import Images, Opened
from bench.stages.probes import Maker
from bench.stages.score import ScoringStage, finished_record

SEED = 0  # of what is random at test time: one draw, as a row has no seed of a training


def images_of(dataset: Dataset, row: ModelRow) -> Images:
    """The images of a row, as its model meets them.

    Raises:
        UsageError: for images of 16 bits.
    """
    if dataset.sample_type != "uint8":
        raise UsageError(f"expected images of 8 bits with --model, found 16 bits in {dataset.name}")
    return Images(row.size_px, dataset.source_channels, dataset.target_channels)


def unscored(row: ModelRow) -> RunRecord:
    """The record of a row before anything is known of it."""
    return RunRecord(row.id, "run", row.model.name, row.to_dict(), "finished")


def model_record(
    out: Path, bench: Workbench, row: ModelRow, scoring: ScoringStage, advance: Advance
) -> RunRecord:
    """Translate the test split, unless all predictions exist; score them and write the record.

    Raises:
        UsageError: if the model cannot be opened, or what it returns is no image.
    """
    files, test, images = RunFiles(out, row.id), bench.test(row.size_px), images_of(bench.dataset, row)
    device = resolve_device(bench.device)
    opened: partial[Opened] = partial(_opened, row, images, str(device))
    record = replace(unscored(row), details={"model": opened().about})
    if not all(is_whole(files.predictions / f"{name}.png") for name in test.names):
        started = time.perf_counter()
        write_predictions(
            opened().translate,
            test.names,
            test.source,
            SEED,
            files.predictions,
            device,
            lambda done: advance(done, ""),
        )
        record = replace(record, timings={"generate": time.perf_counter() - started})
        record = replace(
            record, details={**record.details, "cost": _cost(row, opened(), test.source[0], device)}
        )
    elif (before := finished_record(out, row.id)) is not None and "cost" in before.details:
        details = {**record.details, "cost": before.details["cost"]}
        record = replace(record, details=details, timings={"generate": before.timings.get("generate")})
    maker = Maker(lambda: opened().translate, lambda: row.model.sha256)
    return scoring.model(record, files, row.size_px, row.test, SEED, maker, advance)


def _cost(row: ModelRow, opened: Opened, source: NDArray[Any], device: torch.device) -> dict[str, Any]:
    """The cost of an image. Beside a GPU, what torch does not run may run anywhere, in memory of its own."""
    cost = measured_cost(opened.translate, source, device)
    if row.model.kind in ("onnx", "python") and device.type == "cuda":
        cost |= {"device": "not known", "peak_memory_mb": None}
    return cost


@lru_cache(maxsize=1)
def _opened(row: ModelRow, images: Images, device: str) -> Opened:
    return open_model(row.model, images, row.test, device)


def tried(row: ModelRow, dataset: Dataset, device: str) -> dict[str, Any]:
    """Open a row's model and try it on one image; returns what is known of it.

    Raises:
        UsageError: if it cannot be opened, or does not make such images.
    """
    return _opened(row, images_of(dataset, row), str(resolve_device(device))).about

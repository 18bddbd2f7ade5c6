"""Values of reference rows, kept beside the cache: they depend on data, size, judge and metrics alone.

`CACHE/references/KEY/` holds a record with its values by image, and `sums.json` with the hashes of both. KEY
is a hash of everything that the values depend on, the code of the metrics and the number of threads included.
An entry that is damaged is measured again. Rows that a plug-in takes part in are never kept: its code is not
part of the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.core import plugins
from bench.core.documents import read_json
from bench.core.files import sha256_file, write_text
from bench.core.lock import locked
from bench.records.record import (
    RunRecord,
    per_image_path,
    read_per_image,
    read_record,
    record_path,
    write_record,
)
from bench.scoring.metrics.base import MetricOutput, ScoringContext
from bench.scoring.metrics.by_name import find
from bench.scoring.metrics.catalogue import NEIGHBOURS
from bench.scoring.metrics.feature_choice import features_identity
from bench.scoring.metrics.named_keys import is_named
from bench.scoring.one_pass import families_for

Measured = tuple[MetricOutput, pd.DataFrame]
_CODE = ("scoring", "data", "core")  # folders of `bench` that values come from
_NOT_OF_VALUES = ("bench", "commit", "dirty", "platform", "command", "world_size", "backend")


def kept_or_measured(
    context: ScoringContext,
    metrics: Sequence[str],
    predictions: Callable[[int], NDArray[Any]],
    about: dict[str, Any],
    measure: Callable[[], Measured],
) -> tuple[Measured, bool]:
    """The values of a reference row, and whether they were kept from before.

    Args:
        context: of the row.
        metrics: metric keys; empty = all.
        predictions: the row's images by index in the test split.
        about: the environment (`bench.core.environment`).
        measure: scores the row.
    """
    if plugin_takes_part(context, metrics):
        return measure(), False
    key = key_of(context, metrics, predictions, about)
    folder = context.cache / "references" / key
    with locked(context.cache / "locks" / f"reference-{key}.lock"):
        if (found := _read(folder)) is not None:
            return found, True
        measured = measure()
        _write(folder, *measured)
    return measured, False


def plugin_takes_part(context: ScoringContext, metrics: Sequence[str]) -> bool:
    """Whether a metric or judge is not this project's own."""
    families = [
        ("metrics", name) for name in families_for(metrics) if not (is_named(name) or name == NEIGHBOURS)
    ]
    names = [str(judge.protocol.get("judge")) for judge in _judges(context)]
    judges = [("judges", name) for name in names if name in plugins.names("judges")]
    return any(
        not str(plugins.load(group, name).__module__).startswith("bench.")  # type: ignore[arg-type]
        for group, name in families + judges
    )


def key_of(
    context: ScoringContext,
    metrics: Sequence[str],
    predictions: Callable[[int], NDArray[Any]],
    about: dict[str, Any],
) -> str:
    """Hexadecimal digest (32 characters) of everything that the values of a reference row depend on."""
    from bench.data.acquire.weights import find_alexnet, weights_digest

    train, (alexnet, _), inception = context.train_targets, find_alexnet(), context.inception_weights
    content = {
        "row": context.row,
        "images": _digest(predictions(index) for index in range(len(context.test))),
        "test": context.test.key,
        "train_targets": None if train is None else _digest(train),
        "card": asdict(context.card),
        "size_px": context.size_px,
        "target_role": context.target_role,
        "metrics": sorted(metrics),
        "judges": [[judge.protocol, getattr(judge, "meta", None)] for judge in _judges(context)],
        "judge_reason": context.judge_reason,
        "inception": [None if inception is None else weights_digest(inception), context.inception_reason],
        "fid_protocol": context.fid_protocol,
        "features": None if context.features is None else features_identity(context.features),
        "alexnet": None if alexnet is None else weights_digest(alexnet),
        "code": _code(),
        "computed_by": {name: value for name, value in about.items() if name not in _NOT_OF_VALUES},
        "device": context.device,
        "libraries": [find(key).library for key in metrics if is_named(key)],
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _judges(context: ScoringContext) -> list[Any]:
    panel = [one.judge for one in getattr(context, "panel", ())]
    return [judge for judge in (context.judge, *panel) if judge is not None]


def _digest(images: Any) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.dtype} {image.shape}".encode())
        digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


@cache
def _code() -> str:
    """A hash of the source files that values come from."""
    package, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for folder in _CODE:
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(package).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _holder(output: MetricOutput) -> RunRecord:
    spec = {"data": {"name": "kept", "direction": "kept"}}
    results = {result.name: result for result in output.results}
    return RunRecord("row", "reference", "kept", spec, "finished", results, output.details)


def _write(folder: Path, output: MetricOutput, table: pd.DataFrame) -> None:
    write_record(folder, _holder(output), table)
    write_text(folder / "sums.json", json.dumps(_sums(folder)) + "\n")  # last: if it fits, all is there


def _sums(folder: Path) -> dict[str, str]:
    paths = (record_path(folder, "row"), per_image_path(folder, "row"))
    return {path.name: sha256_file(path) for path in paths}


def _read(folder: Path) -> Measured | None:
    """What `_write` wrote; None if it is missing or damaged."""
    try:
        if read_json(folder / "sums.json") != _sums(folder):
            return None
        record = read_record(record_path(folder, "row"))
        table = read_per_image(folder, record)
    except Exception:  # a damaged file may raise anything; the row is then measured again
        return None
    if table is None:
        return None
    return MetricOutput(list(record.results.values()), details=record.details), table

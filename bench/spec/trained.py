"""The trained runs of an output folder, with the data that they were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.core.documents import read_json
from bench.core.errors import UsageError
from bench.records.output_folder import RunFiles
from bench.spec.given import data_roots
from bench.spec.grid import Plan
from bench.spec.pairs_used import data_spec, open_again
from bench.spec.run_spec import DataSpec, RunSpec


def plans_of(out: Path, data_roots_given: Sequence[str]) -> list[Plan]:
    """The trained runs in an output folder, by data set.

    Raises:
        UsageError: if there is none, one cannot be read, or the data differs from what they were trained on.
    """
    trained: dict[DataSpec, list[RunSpec]] = {}
    for path in sorted((out / "runs").glob("*/spec.json")):
        try:
            spec = RunSpec.from_dict(read_json(path))
        except ValueError as error:
            raise UsageError(f"expected a run's spec in {path}: {error}: delete its folder") from None
        files = RunFiles(out, path.parent.name)
        if files.checkpoint.is_file() or files.predictions.is_dir():  # trained, kept or not
            trained.setdefault(spec.data, []).append(spec)
    if not trained:
        raise UsageError(
            f"expected trained runs in {out / 'runs'}, found none: `bench train --out {out}` first"
        )
    roots = data_roots(data_roots_given, sorted({data.name for data in trained}))
    return [_plan_of(data, runs, roots.get(data.name)) for data, runs in trained.items()]


def _plan_of(data: DataSpec, runs: list[RunSpec], root: Path | None) -> Plan:
    dataset = open_again(data, root)
    found = data_spec(dataset, data.train_n, data.test_n)
    if found != data:
        raise UsageError(
            f"expected the images that run {runs[0].id} was trained on, found others in {dataset.root}: "
            "give their --data-root, or run again into another --out"
        )
    return Plan(dataset, data, runs)

"""Values by test image beside a baseline: one Parquet file for all its rows and seeds.

It holds the columns of records/ID.parquet (per-image scores, confusion matrices, pseudo-values) under `row`,
`seed` and `name`. The baseline names it with its sha256; without the file the gate goes by spread over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.errors import UsageError
from bench.core.files import atomic_path, sha256_file
from bench.gate.rows import GateRow
from bench.records.parquet import read_table

if TYPE_CHECKING:
    import pandas as pd


def sidecar_path(path: Path) -> Path:
    """gate.json -> gate.parquet."""
    return path.with_suffix(".parquet")


def write_sidecar(path: Path, rows: Mapping[str, GateRow]) -> str | None:
    """Write the values by image of `rows` beside the baseline `path`; remove those that were there before.

    Returns:
        sha256 of the file; None where no row has any.
    """
    import pandas as pd

    target = sidecar_path(path)
    parts = [
        table.assign(row=key, seed=seed)
        for key, row in sorted(rows.items())
        for seed, table in zip(row.seeds, row.tables, strict=False)
    ]
    if not parts:
        target.unlink(missing_ok=True)
        return None
    joined = pd.concat(parts, ignore_index=True).astype({"seed": "Int64"})
    first = ["row", "seed", "name"]
    joined = joined[first + sorted(set(map(str, joined.columns)) - set(first))]
    with atomic_path(target) as temporary:
        joined.to_parquet(temporary, index=False, compression="zstd")
    return sha256_file(target)


def read_sidecar(path: Path, sha256: str) -> pd.DataFrame | None:
    """All values by image of the baseline `path`; None where the file is not there.

    Raises:
        UsageError: if it is not the one that the baseline names, or cannot be read.
    """
    source = sidecar_path(path)
    if not source.is_file():
        return None
    again = f"restore it, or write both again with `bench baseline OUT {path} --update`"
    if (found := sha256_file(source)) != sha256:
        raise UsageError(
            f"expected the values by image that belong to {path} (sha256 {sha256[:12]}...) in {source}, "
            f"found others ({found[:12]}...): {again}"
        )
    try:
        held: pd.DataFrame = read_table(source).to_pandas()
        return held
    except Exception as error:  # pyarrow and pandas raise nearly anything on damaged files
        said = " ".join(str(error).split())[:300]
        raise UsageError(f"expected values by image in {source}: {said}; {again}") from error


def tables_of(held: pd.DataFrame, key: str, seeds: tuple[int | None, ...]) -> tuple[pd.DataFrame, ...]:
    """The table of each seed of a row, with the columns that it has; () where a seed has none."""
    import pandas as pd

    mine = held[held["row"] == key]
    tables = []
    for seed in seeds:
        chosen = mine[mine["seed"].isna()] if seed is None else mine[(mine["seed"] == seed).fillna(False)]
        tables.append(chosen.drop(columns=["row", "seed"]).dropna(axis=1, how="all").reset_index(drop=True))
    return tuple(tables) if all(isinstance(t, pd.DataFrame) and len(t) for t in tables) else ()

"""The notebooks of docs/ run, are kept without outputs, and name no path of a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))


def test_there_is_one() -> None:
    assert [path.name for path in NOTEBOOKS] == ["from-python.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_its_cells_run_with_fewer_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    code = "\n".join("".join(cell["source"]) for cell in cells)
    few = code.replace("steps=400", "steps=3, train_limit=8, test_limit=6")
    assert few != code
    names: dict[str, Any] = {}
    exec(compile(few, str(path), "exec"), names)
    assert len(names["runs"]) == 4
    assert set(names["made"]) == {"l1", "l1+cgan"}

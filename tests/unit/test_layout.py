"""The map of the house: what stands directly in `bench/`, and what its command line loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bench

ROOT = Path(bench.__file__).parent


def test_bench_holds_at_most_thirteen_folders_and_three_files() -> None:
    found = [path for path in ROOT.iterdir() if path.name not in ("__pycache__", "_data")]
    assert len([path for path in found if path.is_dir()]) <= 13
    assert {path.name for path in found if path.is_file()} == {"__init__.py", "__main__.py", "py.typed"}


def test_the_command_line_loads_no_arrays() -> None:
    code = "import sys, bench.cli.main; print({'torch', 'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

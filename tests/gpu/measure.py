"""All checks and measurements that need a GPU, in one command that prints one table.

    python tests/gpu/measure.py --released CHECKOUT --data-root CITYSCAPES
    python tests/gpu/measure.py --only agreement,speed
    python tests/gpu/measure.py --dry          # tiny, on a CPU: proves the script

A command ends within `--minutes`: no check begins later, and the same command goes on with those that are
left. What was found is kept in OUT/gpu.json. Exit code 1 where a target was missed, 3 while checks are left.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the checkout, which need not be installed

import run_checks
import step_checks
import torch
from bed import Bed, Row
from rich.console import Console
from rich.table import Table

RESERVE_SECONDS = 60.0  # to save what is under way
CHECKS: dict[str, Callable[[Bed], Iterator[Row]]] = {
    check.__name__: check
    for check in (
        step_checks.device,
        step_checks.agreement,
        step_checks.variants,
        step_checks.speed,
        step_checks.against_released,
        step_checks.together,
        step_checks.variations,
        step_checks.profile,
        run_checks.evaluation,
        run_checks.quality,
        run_checks.suite,
    )
}


def main() -> int:
    asked = _arguments()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))
    if not asked.dry and not torch.cuda.is_available():
        print("expected a CUDA device, found none: --dry proves the script on a CPU", file=sys.stderr)
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    deadline, kept = time.monotonic() + 60 * asked.minutes - RESERVE_SECONDS, asked.out / "gpu.json"
    found: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}
    for name in asked.only:
        if name in found and not asked.again:
            continue
        if time.monotonic() > deadline:
            break
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows = list(_checked(name, Bed(asked.dry, asked.out, asked.released, asked.data_root, deadline)))
        if not any(row.unfinished for row in rows):
            found[name] = [asdict(row) for row in rows]
            kept.write_text(json.dumps(found, indent=1))
        _show({name: [asdict(row) for row in rows]})
    if len(asked.only) > 1:
        _show(found)
    missed = [row["what"] for rows in found.values() for row in rows if row["ok"] is False]
    unchecked = [name for name in asked.only if name not in found]
    print(f"{len(missed)} missed{': ' if missed else ''}{', '.join(missed)}")
    print(f"left: {', '.join(unchecked)}: the same command goes on" if unchecked else "all checks were made")
    return 3 if unchecked else 1 if missed else 0


def _checked(name: str, bed: Bed) -> list[Row]:
    """The rows of a check; one that fails is a row too, so that the others are made."""
    rows = []
    try:
        for row in CHECKS[name](bed):
            rows.append(row)
    except Exception as error:
        said = str(error).partition("\n")[0]
        rows.append(Row(name, f"failed: {type(error).__name__}: {said}", "", False))
    return rows


def _show(found: dict[str, Any]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("check", "what", "found", "target", ""):
        table.add_column(head, overflow="fold")
    for name, rows in found.items():
        for row in rows:
            mark = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
            table.add_row(name, row["what"], row["found"], row["target"], mark)
    Console(width=160, highlight=False, markup=False).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default=",".join(CHECKS), help="checks, comma-separated (default: all)")
    parser.add_argument("--dry", action="store_true", help="tiny, on a CPU")
    parser.add_argument("--again", action="store_true", help="make checks anew that were made before")
    parser.add_argument("--released", type=Path, help="a checkout of the released PyTorch code")
    parser.add_argument("--data-root", type=Path, help="folder of the Cityscapes pairs")
    parser.add_argument("--minutes", type=float, default=10.0, help="of this command (default: 10)")
    parser.add_argument("--out", type=Path, default=Path("out/gpu"), help="folder (default: out/gpu)")
    asked = parser.parse_args()
    asked.only = [name for name in asked.only.split(",") if name]
    if unknown := sorted(set(asked.only) - set(CHECKS)):
        parser.error(f"unknown check {', '.join(unknown)}: known are {', '.join(CHECKS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())

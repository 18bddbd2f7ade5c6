"""All checks and measurements that need a GPU, in one command that prints one table.

    python tests/gpu/measure.py --released CHECKOUT --data-root CITYSCAPES
    python tests/gpu/measure.py --only agreement,speed
    python tests/gpu/measure.py --dry          # tiny, on a CPU: proves the script

A command ends within `--minutes`: a part of a check begins only if its expected length fits. The same command
goes on with what is left, also after one that was killed: OUT/gpu.json has the rows of each part once it
is done. Exit code 1 where a target was missed, 3 while something is left.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the checkout, which need not be installed

import run_checks
import step_checks
import torch
from bed import Bed, Part, Row
from rich.console import Console
from rich.table import Table

CHECKOUT = Path(__file__).resolve().parents[2]
RESERVE_SECONDS = 60.0  # to save what is under way
TRIES = 2  # a part that was cut off so often is given up: something hangs
Found = dict[str, dict[str, list[Row]]]  # check -> part -> rows
CHECKS: dict[str, Callable[[Bed], Iterator[Part]]] = {  # the most worth first
    check.__name__: check
    for check in (
        step_checks.device,
        step_checks.agreement,
        step_checks.speed,
        step_checks.profile,
        step_checks.variations,
        step_checks.against_released,
        step_checks.together,
        step_checks.variants,
        run_checks.evaluation,
        run_checks.quality,
        run_checks.suite,
    )
}


def main() -> int:
    asked = _arguments()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    if not asked.dry and not torch.cuda.is_available():
        print("expected a CUDA device, found none: --dry proves the script on a CPU", file=sys.stderr)
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60 * asked.minutes - RESERVE_SECONDS
    bed = Bed(asked.dry, asked.out, asked.released, asked.data_root, deadline)
    kept = Kept(asked.out / "gpu.json")
    if asked.again:
        kept.forget(asked.only)
    left = [name for name in asked.only if not _make(name, bed, kept)]
    _show({name: kept.found[name] for name in asked.only if name in kept.found})
    missed = [row.what for check in kept.found.values() for row in _rows(check) if row.ok is False]
    print(f"{len(missed)} missed{': ' if missed else ''}{', '.join(missed)}")
    print(f"left: {', '.join(left)}: the same command goes on" if left else "all checks were made")
    return 3 if left else 1 if missed else 0


class Kept:
    """What was found, in a file that is never behind by more than the part in hand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        content = json.loads(path.read_text()) if path.is_file() else {"found": {}, "begun": {}}
        self.begun: dict[str, int] = content["begun"]
        self.found: Found = {
            name: {part: [Row(**row) for row in rows] for part, rows in check.items()}
            for name, check in content["found"].items()
        }

    def begin(self, check: str, part: str) -> int:
        """How often it was begun before, and did not end."""
        times = self.begun.get(f"{check}: {part}", 0)
        self.begun[f"{check}: {part}"] = times + 1
        self._write()
        return times

    def end(self, check: str, part: str, rows: list[Row]) -> bool:
        """Keep its rows, unless it is to be gone on with; returns whether it is done."""
        del self.begun[f"{check}: {part}"]
        done = not any(row.unfinished for row in rows)
        if done:
            self.found.setdefault(check, {})[part] = rows
        self._write()
        return done

    def forget(self, checks: Iterable[str]) -> None:
        for name in checks:
            self.found.pop(name, None)

    def _write(self) -> None:
        found = {
            name: {part: [asdict(row) for row in rows] for part, rows in check.items()}
            for name, check in self.found.items()
        }
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps({"found": found, "begun": self.begun}, indent=1))
        beside.replace(self._path)


def _make(name: str, bed: Bed, kept: Kept) -> bool:
    """Make what is left of a check, as far as there is time; returns whether all of it is there."""
    for part in CHECKS[name](bed):
        if part.name in kept.found.get(name, {}):
            continue
        if not bed.fits(part):
            return False
        print(f"{name}: {part.name} ...", file=sys.stderr, flush=True)
        tries = kept.begin(name, part.name)
        if tries < TRIES:
            rows = _done(name, part, _rows(kept.found.get(name, {})))
        else:
            rows = [Row(f"{name}: {part.name}", f"failed: did not end, {tries} times", "", False)]
        done = kept.end(name, part.name, rows)
        _show({name: {part.name: rows}})
        if not done:
            return False
    return True


def _done(name: str, part: Part, before: list[Row]) -> list[Row]:
    """The rows of a part; one that fails is a row too, so that the others are made."""
    rows = []
    try:
        for row in part.work(before):
            rows.append(row)
    except Exception as error:
        said = str(error).partition("\n")[0]
        rows.append(Row(f"{name}: {part.name}", f"failed: {type(error).__name__}: {said}", "", False))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return rows


def _rows(check: dict[str, list[Row]]) -> list[Row]:
    return [row for rows in check.values() for row in rows]


def _show(found: Found) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("check", "what", "found", "target", ""):
        table.add_column(head, overflow="fold")
    for name, check in found.items():
        for row in _rows(check):
            mark = {True: "ok", False: "MISSED", None: ""}[row.ok]
            table.add_row(name, row.what, row.found, row.target, mark)
    Console(width=160, highlight=False, markup=False).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default=",".join(CHECKS), help="checks, comma-separated (default: all)")
    parser.add_argument("--dry", action="store_true", help="tiny, on a CPU")
    parser.add_argument("--again", action="store_true", help="repeat checks that were made before")
    parser.add_argument("--released", type=Path, help="a checkout of the released PyTorch code")
    parser.add_argument("--data-root", type=Path, help="folder of the Cityscapes pairs")
    parser.add_argument("--minutes", type=float, default=8.0, help="of this command (default: 8)")
    parser.add_argument("--out", type=Path, default=Path("out/gpu"), help="folder (default: out/gpu)")
    asked = parser.parse_args()
    asked.only = [name for name in asked.only.split(",") if name]
    if unknown := sorted(set(asked.only) - set(CHECKS)):
        parser.error(f"unknown check {', '.join(unknown)}: known are {', '.join(CHECKS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())

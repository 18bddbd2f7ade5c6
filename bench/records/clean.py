"""`bench clean`: remove what can be made again from an output. Records, histories and samples stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.core.files import is_leftover, leftovers, remove
from bench.core.lock import try_lock
from bench.records.output_folder import RunFiles
from bench.records.record import RunRecord, read_record, record_path

_OLD_S = 3600.0  # younger leftovers may be in use, such as a report that is being written
_SHARED = ("records", "gallery", "report")  # folders that all runs write to


@dataclass(frozen=True)
class Wish:
    """What to remove, besides the generators of finished runs, damaged files and leftovers.

    Attributes:
        predictions: test images of finished runs, except those of the gallery.
        unfinished: training states of runs that are not finished, or have diverged.
    """

    predictions: bool = False
    unfinished: bool = False


def clean(out: Path, wish: Wish, dry_run: bool) -> dict[str, int]:
    """Remove what can be made again; returns kind -> bytes. Runs that a process works on are left alone."""
    freed: dict[str, int] = {}
    for run in sorted(path.name for path in (out / "runs").glob("*") if path.is_dir()):
        lock = try_lock(RunFiles(out, run).lock)
        if lock is None:
            continue
        try:
            _remove(_of_run(out, run, wish), dry_run, freed)
        finally:
            lock.release()
    _remove((("leftovers", path) for path in _old_leftovers(out)), dry_run, freed)
    return freed


def _old_leftovers(out: Path) -> Iterator[Path]:
    """Leftovers outside the folders of single runs that no process writes any more."""
    below = (path for name in _SHARED for path in sorted((out / name).rglob(".*")) if is_leftover(path))
    for path in (*leftovers(out), *below):
        within_another = any(map(is_leftover, path.relative_to(out).parents))
        if not within_another and time.time() - path.stat().st_mtime > _OLD_S:
            yield path


def _remove(found: Iterator[tuple[str, Path]], dry_run: bool, freed: dict[str, int]) -> None:
    for kind, path in list(found):
        freed[kind] = freed.get(kind, 0) + _size(path)
        if not dry_run:
            remove(path)


def _of_run(out: Path, run: str, wish: Wish) -> Iterator[tuple[str, Path]]:
    files, record = RunFiles(out, run), _record(out, run)
    is_finished = record is not None and record.status == "finished"
    partial = [path for path in leftovers(out / "predictions") if path.name.endswith(run)]
    own = [path for folder in (files.folder, files.samples) for path in leftovers(folder)]
    yield from (("leftovers", path) for path in (*own, *partial))
    yield from (("damaged files", path) for path in files.folder.glob("*.damaged"))
    if is_finished:
        yield from (("checkpoints", path) for path in _generators(files) if path.exists())
    if is_finished or wish.unfinished:
        yield from (
            ("training states", p)
            for p in (files.state, files.state_before, files.state_at_end, files.validation, *files.best)
            if p.exists()
        )
    if is_finished and wish.predictions and record is not None and record.gallery is not None:
        shown = {f"{name}.png" for name in record.gallery.names}
        yield from (("predictions", p) for p in files.predictions.glob("*.png") if p.name not in shown)


def _generators(files: RunFiles) -> tuple[Path, ...]:
    return files.checkpoint, files.checkpoint_back, files.checkpoints


def _record(out: Path, run: str) -> RunRecord | None:
    path = record_path(out, run)
    return read_record(path) if path.is_file() else None


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(inner.stat().st_size for inner in path.rglob("*") if inner.is_file())
    return path.stat().st_size

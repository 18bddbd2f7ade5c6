"""The driver's end of a Ray cluster: an actor that sends and receives files, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core.files import move_file
from bench.core.resources import cache_dir
from bench.launch.jobs import Job
from bench.launch.run_job import Runners
from bench.launch.url_store import checked_name, files_below
from bench.stages.judges_in_use import usable

PIECE_BYTES = 8 << 20


@dataclass(frozen=True)
class Places:
    """Folders of the driver's machine that nodes may ask for, by name.

    Attributes:
        folders: "out", "cache" and, if needed, "inception" and "data:<fingerprint>".
        judges: folders of the trained judges, relative to the cache.
        inception: the weights file, or None.
    """

    folders: dict[str, Path]
    judges: tuple[str, ...]
    inception: Path | None

    @staticmethod
    def of(jobs: Sequence[Job], runners: Runners) -> Places:
        """What the runs of a grid need."""
        folders = {"out": jobs[0].launch.out.absolute(), "cache": cache_dir()}
        for job in jobs:
            if job.root is not None:
                folders[data_place(job)] = job.root.absolute()
        inception, _ = runners.of(jobs[0]).bench.inception
        if inception is not None:
            folders["inception"] = inception.absolute().parent
        return Places(folders, tuple(_judge_folders(_judge_hashes(jobs, runners))), inception)


def data_place(job: Job) -> str:
    """The name of the folder of a job's data."""
    return f"data:{job.spec.data.train_fingerprint}"


def _judge_hashes(jobs: Sequence[Job], runners: Runners) -> set[str]:
    hashes = set()
    wanted = {(job.spec.data, job.spec.training.size_px) for job in jobs if job.launch.until == "score"}
    for data, size_px in wanted:
        bench = runners.of_data(data).bench
        if bench.choice.wants_judge:
            with suppress(Exception):  # each run's record reports it
                hashes |= {judge.hash for judge in usable(bench.judges.open(size_px))}
    return hashes


def _judge_folders(hashes: set[str]) -> list[str]:
    """The folders of these judges in the cache."""
    found = []
    for meta in (cache_dir() / "judges").glob("*/meta.json"):
        if json.loads(meta.read_text(encoding="utf-8")).get("hash") in hashes:
            found.append(meta.parent.relative_to(cache_dir()).as_posix())
    return found


class Home:
    """A Ray actor on the driver's machine: events for the driver, files for the nodes and from them."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._events: list[dict[str, Any]] = []

    def places(self) -> Places:
        """The folders that nodes may ask for."""
        return self._places

    def tell(self, event: dict[str, Any]) -> None:
        """Keep an event until the driver takes it."""
        self._events.append(event)

    def take(self) -> list[dict[str, Any]]:
        """The events since the last time."""
        events, self._events = self._events, []
        return events

    def stamps(self, place: str, prefix: str) -> dict[str, str]:
        """Name -> size and time of the files below `prefix`."""
        folder = self._places.folders[place]
        return {path.relative_to(folder).as_posix(): _stamp(path) for path in files_below(folder, prefix)}

    def read(self, place: str, name: str, offset: int) -> bytes:
        """A piece of a file; shorter than `PIECE_BYTES` at its end."""
        with self._path(place, name).open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)

    def write(self, name: str, offset: int, piece: bytes) -> None:
        """Receive a piece of a file; `finish` moves the whole file to its place."""
        temporary = self._temporary(name)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("r+b" if offset else "wb") as file:
            file.truncate(offset)
            file.seek(offset)
            file.write(piece)

    def finish(self, name: str) -> str:
        """Complete a received file; returns its stamp."""
        path = self._path("out", name)
        move_file(self._temporary(name), path)
        return _stamp(path)

    def remove(self, name: str) -> None:
        """Delete a file of the output."""
        self._path("out", name).unlink(missing_ok=True)

    def _path(self, place: str, name: str) -> Path:
        return self._places.folders[place] / checked_name(name)

    def _temporary(self, name: str) -> Path:
        path = self._path("out", name)
        return path.with_name(f".tmp-ray-{path.name}")


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"

"""A run on a node of a Ray cluster: its inputs are fetched from `Home`, its results are sent there."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.core.errors import UsageError
from bench.core.files import atomic_path
from bench.core.resources import cache_dir
from bench.launch.jobs import Ended, Event, Job, event_to_dict
from bench.launch.ray_home import PIECE_BYTES, Places, data_place
from bench.launch.remote import Relay, at_most_every, execute_here
from bench.launch.run_job import Runners
from bench.launch.url_store import Mirror

_SHARE_OF_TIME = 0.05  # the most that sending states may take


class HomeStore:
    """Files at home (`bench.launch.url_store.Store`)."""

    def __init__(self, home: Any, place: str = "out") -> None:
        self._home, self._place = home, place

    def stamps(self, prefix: str) -> dict[str, str]:
        return dict(_get(self._home.stamps.remote(self._place, prefix)))

    def get(self, name: str, local: Path) -> None:
        with atomic_path(local) as temporary, temporary.open("wb") as file:
            while True:
                piece = _get(self._home.read.remote(self._place, name, file.tell()))
                file.write(piece)
                if len(piece) < PIECE_BYTES:
                    break

    def put(self, local: Path, name: str) -> str:
        with local.open("rb") as file:
            offset = 0
            while (piece := file.read(PIECE_BYTES)) or not offset:
                _get(self._home.write.remote(name, offset, piece))
                offset += len(piece)
                if len(piece) < PIECE_BYTES:
                    break
        return str(_get(self._home.finish.remote(name)))

    def remove(self, name: str) -> None:
        _get(self._home.remove.remote(name))


def _get(reference: Any) -> Any:
    import ray

    return ray.get(reference)


def run_on_node(
    content: dict[str, Any], device: str, threads: int, home: Any, share_paths: bool, state_every: float
) -> None:
    """Execute one run in a folder of its own, as a Ray task.

    Args:
        content: the job, as JSON.
        device, threads: on this node.
        home: the actor.
        share_paths: read data at the driver's path if the same files are there.
        state_every: seconds between two states sent home.
    """
    with tempfile.TemporaryDirectory(prefix="pix2pix-bench-") as folder:
        if not share_paths:
            os.environ["PIX2PIX_BENCH_CACHE"] = str(Path(folder) / "cache")
        job = _with_local_paths(Job.from_dict(content), _get(home.places.remote()), home, share_paths)
        there, here = str(job.launch.out), Path(folder) / "out"
        job = replace(job, launch=replace(job.launch, out=here))
        parcel = _Parcel(job, home, here, state_every)

        def notify(event: Event) -> None:
            if isinstance(event, Ended):
                parcel.close()
                event = replace(event, note=event.note.replace(str(here), there))
                _get(home.tell.remote(event_to_dict(event)))
            else:
                home.tell.remote(event_to_dict(event))

        try:
            parcel.open()
            execute_here(job, device, threads, at_most_every(1.0, notify))
        finally:
            parcel.close()


class _Parcel:
    """The files of a run: fetched before, sent home after it; the training state also in between."""

    def __init__(self, job: Job, home: Any, folder: Path, state_every: float) -> None:
        self._id, self._every = job.id, state_every
        self._ids = [job.id, *([job.spec.turned().id] if job.launch.policy.both_directions else [])]
        self._mirror = Mirror(HomeStore(home), folder)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_states, name="states", daemon=True)

    def open(self) -> None:
        """Fetch the files of an earlier try, and the record of the row `real`, which runs need."""
        for name in self._ids:
            self._mirror.pull(f"runs/{name}")
            self._mirror.pull(f"predictions/{name}")
        self._mirror.pull("records", lambda name: "-real-" in name or any(one in name for one in self._ids))
        self._thread.start()

    def close(self) -> None:
        """Send everything home, the record last. A second call finds nothing left to send."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        kinds = "runs", "predictions", "records"
        self._mirror.push([f"{kind}/{name}" for name in self._ids for kind in kinds])

    def _send_states(self) -> None:
        pause = self._every
        while not self._stop.wait(pause):
            started = time.monotonic()
            self._mirror.push([f"runs/{self._id}"])
            pause = max(self._every, (time.monotonic() - started) / _SHARE_OF_TIME)


def _with_local_paths(job: Job, places: Places, home: Any, share_paths: bool) -> Job:
    """`job` with the paths of this machine: judge, Inception weights and data are fetched if needed."""
    cache = HomeStore(home, "cache")
    for judge in places.judges:
        if not (cache_dir() / judge / "meta.json").is_file():
            for name in sorted(cache.stamps(judge), key=lambda name: name.endswith("meta.json")):
                cache.get(name, cache_dir() / name)
    choice = job.launch.choice
    if places.inception is not None and not (share_paths and places.inception.is_file()):
        weights = cache_dir() / "fetched" / places.inception.name
        if not weights.is_file():
            HomeStore(home, "inception").get(places.inception.name, weights)
        choice = replace(choice, inception_weights=weights)
    elif places.inception is not None:
        choice = replace(choice, inception_weights=places.inception)
    job = replace(job, launch=replace(job.launch, choice=choice))
    if job.root is None or (share_paths and _is_here(job)):
        return job
    folder = cache_dir() / "fetched" / job.spec.data.train_fingerprint / job.root.name
    folder.mkdir(parents=True, exist_ok=True)
    Mirror(HomeStore(home, data_place(job)), folder).pull("", keep_local=False)
    return replace(job, root=folder)


def _is_here(job: Job) -> bool:
    """Whether the driver's path holds the run's own images on this machine too."""
    try:
        Runners(Relay(lambda event: None)).of(job)
    except UsageError:
        return False
    return True

"""`--out URL`: a grid works in a local folder, and each run is uploaded to the URL."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from bench.core.errors import RunFailedError, UsageError
from bench.core.progress import Reporter
from bench.core.resources import cache_dir
from bench.launch.jobs import Advanced, Ended, Event
from bench.launch.url_store import Mirror, UrlStore, is_url, run_prefixes
from bench.records.record import read_record

_STATE_EVERY_SECONDS = 60.0  # how much training another machine would have to repeat


class Staging:
    """An output at a URL, with its local folder.

    At the start it fetches what other machines have finished, and the states of unfinished runs. It uploads a
    run when it has ended, and its state every minute while it trains. Only one command at a time may work on
    a URL: locks are files of the local folder.
    """

    def __init__(self, url: str, reporter: Reporter) -> None:
        """Fetch the output.

        Raises:
            UsageError: if the URL cannot be used.
        """
        self.url, self._reporter = url, reporter
        self.folder = local_folder(url)
        self.folder.mkdir(parents=True, exist_ok=True)
        store = UrlStore(url)
        store.check_writable()
        self._mirror = Mirror(store, self.folder)
        self._fetch()
        self._asked = dict[str, float]()
        self._queue: SimpleQueue[list[str] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._upload, name="upload", daemon=True)
        self._thread.start()

    def observe(self, event: Event) -> None:
        """Upload a run's files, in the background."""
        if isinstance(event, Ended):
            self._queue.put(run_prefixes(event.job))
        elif isinstance(event, Advanced) and event.stage == "train":
            now = time.monotonic()
            if now - self._asked.setdefault(event.job, now) >= _STATE_EVERY_SECONDS:
                self._asked[event.job] = now
                self._queue.put([f"runs/{event.job}"])

    def close(self) -> None:
        """Upload everything that is not there yet, the report too, records last.

        Raises:
            RunFailedError: if something could not be uploaded; the same command tries again.
        """
        self._queue.put(None)
        self._thread.join()
        try:
            self._mirror.push(["gallery", "predictions", "runs", "logs", "report", "records"])
        except UsageError as error:
            raise RunFailedError(
                f"not all results could be uploaded: {error}; they are in {self.folder}, "
                "and the same command uploads them"
            ) from None

    def _upload(self) -> None:
        while (prefixes := self._queue.get()) is not None:
            try:
                self._mirror.push(prefixes)
            except UsageError as error:
                self._reporter.say(f"not uploaded yet: {error}")

    def _fetch(self) -> None:
        """Fetch records first: finished runs need neither checkpoints nor states."""
        count = self._reporter.counter(f"fetching {self.url}")
        self._mirror.pull("records", progress=count)
        done = finished_ids(self.folder)

        def wanted(name: str) -> bool:
            top, _, rest = name.partition("/")
            is_needed = top == "runs" and rest.partition("/")[0] not in done
            return is_needed or top in ("gallery", "predictions")

        self._mirror.pull("", wanted, count)


def local_folder(out: str) -> Path:
    """The folder in which an output is made: itself, or a folder of the cache for a URL."""
    if not is_url(out):
        return Path(out)
    return cache_dir() / "outputs" / hashlib.sha256(out.rstrip("/").encode()).hexdigest()[:16]


def finished_ids(out: Path) -> set[str]:
    """Ids of the finished records of an output; unreadable ones are ignored."""
    ids = set()
    for path in (out / "records").glob("*.json"):
        try:
            record = read_record(path)
        except UsageError:
            continue
        if record.status == "finished":
            ids.add(record.id)
    return ids


@contextmanager
def output_folder(out: str) -> Iterator[tuple[Path, list[Callable[[Event], None]]]]:
    """The local folder of an output, and the observers of its events."""
    if not is_url(out):
        yield Path(out), []
        return
    with Reporter() as reporter:
        staging = Staging(out, reporter)
    try:
        yield staging.folder, [staging.observe]
    finally:
        staging.close()

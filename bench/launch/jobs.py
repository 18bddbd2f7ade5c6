"""What a launcher receives and reports: jobs and events, all JSON-able."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bench.core import plugins
from bench.core.decode import decode
from bench.spec.policy import Policy
from bench.spec.run_spec import RunSpec
from bench.spec.scoring_choice import ScoringChoice

Until = Literal["train", "generate", "score"]
Status = Literal["trained", "generated", "finished", "failed", "diverged", "busy"]
DONE: tuple[Status, ...] = ("trained", "generated", "finished")


@dataclass(frozen=True)
class Launch:
    """How every run of a grid is executed.

    Attributes:
        out: the output folder.
        device: torch device string.
        choice: what is scored.
        command: the command line, for records.
        until: the last stage.
        debug: show the traceback of a run that fails.
        again: score again what has been scored.
        policy: what is kept of runs and what is tried again.
        plugins: the `--plugin` files, which every process has to load.
    """

    out: Path
    device: str
    choice: ScoringChoice
    command: str
    until: Until = "score"
    debug: bool = False
    again: bool = False
    policy: Policy = field(default_factory=Policy)
    plugins: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Job:
    """One run, with all that another process needs to execute it.

    Attributes:
        spec: the run.
        title: for people: "l1 seed 0 (1/3)".
        root: folder of its data; None for the embedded data set.
        launch: how it is executed.
    """

    spec: RunSpec
    title: str
    root: Path | None
    launch: Launch

    @property
    def id(self) -> str:
        return self.spec.id

    def on(self, device: str) -> Job:
        """The same run on another device."""
        return replace(self, launch=replace(self.launch, device=device))

    def to_dict(self) -> dict[str, Any]:
        """JSON only; paths are absolute, since the reader may have another working directory."""
        import msgspec

        plain: dict[str, Any] = msgspec.to_builtins(asdict(self), enc_hook=_absolute)
        return plain

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Job:
        """The job that `to_dict` described; loads its plug-ins first, which its variant may need."""
        for path in content["launch"]["plugins"]:
            plugins.load_once(Path(path))
        return decode(content, Job)


def _absolute(path: Path) -> str:
    return str(path.absolute())


@dataclass(frozen=True)
class Said:
    """A line for a person to read."""

    text: str


@dataclass(frozen=True)
class Advanced:
    """A job advanced: `done` of `total` parts of its `stage` ("train": steps; the others: images)."""

    job: str
    stage: str
    done: int
    total: int
    remark: str = ""


@dataclass(frozen=True)
class Ended:
    """A job has ended. With status "finished", "failed" or "diverged" its record is in the output; with
    "busy" another process works on it, and the driver waits for that one.

    Attributes:
        job: the run's id.
        status: the outcome.
        note: for people: "done", "finished before, skipped", or why it failed.
    """

    job: str
    status: Status
    note: str

    @property
    def is_done(self) -> bool:
        """Whether the wanted result exists."""
        return self.status in DONE


Event = Said | Advanced | Ended
Observer = Callable[[Event], None]
_EVENTS: dict[str, type[Said] | type[Advanced] | type[Ended]] = {
    "said": Said,
    "advanced": Advanced,
    "ended": Ended,
}


def event_to_dict(event: Event) -> dict[str, Any]:
    """JSON only."""
    return {"event": type(event).__name__.lower(), **asdict(event)}


def event_from_dict(content: Mapping[str, Any]) -> Event:
    """The event that `event_to_dict` described."""
    fields = dict(content)
    return _EVENTS[fields.pop("event")](**fields)

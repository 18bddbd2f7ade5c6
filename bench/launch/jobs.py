"""What a launcher is given and what it tells: jobs and events, all of which JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bench.spec.retention import Policy
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
        title: what a person reads: "l1 seed 0 (1/3)".
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
        """JSON only; paths absolute, since the process that reads it may stand elsewhere."""
        spec = self.spec.to_dict() | {"swept": self.spec.swept, "also": self.spec.also}
        launch = asdict(self.launch) | {
            "out": _absolute(self.launch.out),
            "plugins": [_absolute(path) for path in self.launch.plugins],
        }
        launch["choice"]["inception_weights"] = _absolute(self.launch.choice.inception_weights)
        return {"spec": spec, "title": self.title, "root": _absolute(self.root), "launch": launch}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Job:
        """The job that `to_dict` described."""
        launch = dict(content["launch"])
        choice = dict(launch.pop("choice"))
        weights = choice.pop("inception_weights")
        metrics = tuple(choice.pop("metrics"))
        scoring = ScoringChoice(
            **choice, metrics=metrics, inception_weights=None if weights is None else Path(weights)
        )
        out, plugins = Path(launch.pop("out")), tuple(map(Path, launch.pop("plugins")))
        policy = dict(launch.pop("policy"))
        policy |= {name: tuple(policy[name]) for name in ("log", "lengths")}
        root = content["root"]
        return Job(
            RunSpec.from_dict(content["spec"]),
            content["title"],
            None if root is None else Path(root),
            Launch(out=out, choice=scoring, policy=Policy(**policy), plugins=plugins, **launch),
        )


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


@dataclass(frozen=True)
class Said:
    """A line that a person should read."""

    text: str


@dataclass(frozen=True)
class Advanced:
    """A job went on: `done` of `total` parts of its `stage` ("train": steps; the others: images)."""

    job: str
    stage: str
    done: int
    total: int
    remark: str = ""


@dataclass(frozen=True)
class Ended:
    """A job will do nothing more. With status "finished", "failed" or "diverged" its record is in the output;
    with "busy" another process is at it, and the driver waits for that one.

    Attributes:
        job: the run's id.
        status: what came of it.
        note: what to tell: "done", "finished before, skipped", or why it failed.
    """

    job: str
    status: Status
    note: str

    @property
    def is_done(self) -> bool:
        """Whether what was asked for is there."""
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

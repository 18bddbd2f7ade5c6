"""Experiment trackers: `--log tensorboard` and `--log wandb` show a training as it goes.

A tracker never makes a run fail: one that breaks is reported once and left out from then on. All that it
shows is in the records and in `runs/<id>/` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.records.record import RunRecord
from bench.spec.run_spec import RunSpec

_NOT_CURVES = ("step", "images_seen")


class Tracker(Protocol):
    """Shows a run to people."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Show numbers by name ("train/loss_l1", "score/ssim") at a training step."""

    def image(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        """Show one (H, W, 3) uint8 RGB image."""

    def close(self) -> None:
        """Write everything out."""


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker whose package is not installed, before anything is trained.

    Raises:
        UsageError: with the command that installs it.
    """
    for name in names:
        if find_spec(name) is None:
            raise UsageError(
                f"expected the package {name} for --log {name}, found none: "
                f"pip install 'pix2pix-bench[{name}]'"
            )


class TensorBoard:
    """Event files in `OUT/logs/tensorboard/<run id>`: `tensorboard --logdir OUT/logs/tensorboard`."""

    def __init__(self, out: Path, spec: RunSpec, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = out / "logs" / "tensorboard" / spec.id
        # An interrupted run continues from its last saved step: later steps are shown again.
        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def image(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        self._writer.add_image(name, image, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandB:
    """A Weights & Biases run; offline, in `OUT/logs/wandb`, with `WANDB_MODE=offline`."""

    def __init__(self, out: Path, spec: RunSpec, step: int) -> None:
        import wandb

        folder = out / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        self._wandb = wandb
        self._run = wandb.init(
            project="pix2pix-bench",
            id=spec.hash,
            name=f"{spec.label} seed {spec.seed}",
            group=spec.data.name,
            config=spec.to_dict(),
            dir=str(folder),
            resume="allow",
            reinit="finish_previous",
        )

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def image(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        self._run.log({name: self._wandb.Image(image)}, step=step)

    def close(self) -> None:
        self._run.finish()


_MAKERS: dict[str, Callable[[Path, RunSpec, int], Tracker]] = {"tensorboard": TensorBoard, "wandb": WandB}


class Trackers:
    """Several trackers as one; each that breaks is reported once and left out."""

    def __init__(self, trackers: Iterable[tuple[str, Callable[[], Tracker]]], say: Callable[[str], None]):
        self._say = say
        self._open: dict[str, Tracker] = {}
        for name, make in trackers:
            self._try(name, lambda name=name, make=make: self._open.update({name: make()}))  # type: ignore[misc]

    def training(self, entry: Mapping[str, float]) -> None:
        """Show a log point of `baselines.trainer.Trainer.train`."""
        values = {f"train/{name}": value for name, value in entry.items() if name not in _NOT_CURVES}
        self._all(lambda tracker: tracker.scalars(values, int(entry["step"])))

    def validation(self, point: Mapping[str, Any]) -> None:
        """Show the values on the validation images at a step (`bench.stages.validation`)."""
        beside = (*_NOT_CURVES, "seconds")
        values = {f"val/{name}": value for name, value in point.items() if name not in beside}
        known = {name: float(value) for name, value in values.items() if value is not None}
        self._all(lambda tracker: tracker.scalars(known, int(point["step"])))

    def samples(self, sheet: NDArray[np.uint8], step: int) -> None:
        """Show a sheet of sample images: source, prediction, target, a row each."""
        self._all(lambda tracker: tracker.image("samples", sheet, step))

    def scores(self, record: RunRecord, step: int) -> None:
        """Show the metrics of the finished run."""
        results = record.results.values()
        values = {f"score/{result.name}": result.value for result in results if result.value is not None}
        self._all(lambda tracker: tracker.scalars(values, step))

    def close(self) -> None:
        self._all(lambda tracker: tracker.close())
        self._open.clear()

    def _all(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._try(name, lambda tracker=tracker: tell(tracker))  # type: ignore[misc]

    def _try(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._open.pop(name, None)
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._say(f"--log {name} is off from here on ({said}); the run goes on")


@contextmanager
def tracking(
    names: Sequence[str], out: Path, spec: RunSpec, step: int, say: Callable[[str], None]
) -> Iterator[Trackers]:
    """The trackers called `names` for one run, which is at `step`; always closed at the end."""
    trackers = Trackers([(name, lambda name=name: _MAKERS[name](out, spec, step)) for name in names], say)  # type: ignore[misc]
    try:
        yield trackers
    finally:
        trackers.close()

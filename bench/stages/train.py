"""The training stage of a run: restore, train, sample, save; leaves a checkpoint and a history."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import nn

from baselines.engine import resolve_device
from baselines.health import DivergedError
from baselines.parallel import ALONE, Ranks
from baselines.trainer import Trainer
from baselines.translate import Checkpoint, Units, save_checkpoint
from bench.core.files import atomic_path, leftovers, move_file, remove, set_aside, write_text
from bench.core.images import GREY_LEVELS, write_png
from bench.core.interrupt import Terminated, deferred
from bench.core.progress import Advance
from bench.data.cache import release_pages
from bench.data.types import SplitArrays
from bench.records.output_folder import RunFiles
from bench.spec.policy import Policy
from bench.spec.run_spec import RunSpec
from bench.stages.sample_sheet import Samples
from bench.stages.start_from import read_start
from bench.stages.trackers import Trackers, tracking
from bench.stages.validation import LostError, Validation, said_of

LOG_POINTS = 100
_MAX_LOG_STEPS = 500
SAMPLE_POINTS = 10


def nobody() -> None:
    """Does nothing: there are no other processes to call."""


@dataclass
class TrainingStage:
    """Trains one run in its folder; an interrupted run continues from the last saved state.

    Ctrl-C and SIGTERM save the state first; a harder end loses the steps since the last saved state.

    Attributes:
        spec, files: the run, and where its files are.
        train: training pairs at the load size.
        samples: what the sample sheets show.
        resizes: how sources and targets are resized, for users of the checkpoints: "bicubic" or "nearest".
        units: of sources and targets, for them too; None of a side without levels of a range.
        stacked: names of sources that are stacked, for them too.
        device: as `resolve_device` takes it.
        say: gets messages for people, a line each.
        environment: commit, versions, device and command of this training, for its record.
        policy: how often the state is saved, and what is kept.
        ranks: the processes that train together; this is the first of them.
        call: calls the others to the training (`train_along`).
        validation: scores the generator during training, and may choose the step; None: does not.
    """

    spec: RunSpec
    files: RunFiles
    train: SplitArrays
    samples: Samples
    resizes: tuple[str, str]
    units: tuple[Units | None, Units | None]
    stacked: tuple[str, ...]
    device: str
    say: Callable[[str], None]
    environment: dict[str, Any]
    policy: Policy
    ranks: Ranks = ALONE
    call: Callable[[], None] = nobody
    validation: Validation | None = None
    _saved_step: int | None = None
    _went_on_from: RunFiles | None = None

    def run(self, advance: Advance) -> None:
        """Train to the end.

        Raises:
            DivergedError: if the training diverges; the last good state stays.
        """
        for folder in (self.files.folder, self.files.samples, self.files.checkpoints):
            for leftover in leftovers(folder):
                remove(leftover)
        trainer, steps = self._validated(self._restored()), self.spec.training.steps
        out, names = self.files.out, self.policy.log
        with tracking(names, out, self.spec, trainer.steps_done, self.say) as trackers:
            with deferred(patient=self.ranks.world > 1) as stop:
                try:
                    self._train(trainer, advance, stop, trackers)
                except DivergedError as error:
                    error.last_good_step = self._saved_step
                    raise
                if trainer.steps_done < steps:
                    self._save_state(trainer)
            if trainer.steps_done < steps:
                raise Terminated  # another rank was terminated
            self._sample(trainer, steps, trackers)
        if trainer.engine_reason:
            self.say(f"{self._title}: trained eagerly: {trainer.engine_reason}")
        self._finish(trainer)

    def _validated(self, trainer: Trainer) -> Trainer:
        """`trainer`, or a new one if its validation is lost and the step is to be chosen by it."""
        if self.validation is None:
            return trainer
        try:
            self.validation.go_on(trainer.steps_done, self._went_on_from)
        except LostError as error:
            self.say(f"{self._title}: {error}: trains from the start")
            trainer = self._fresh()
            self.validation.go_on(0)
        return trainer

    @property
    def _title(self) -> str:
        return f"{self.spec.label} seed {self.spec.seed}"

    def _restored(self) -> Trainer:
        """A trainer at the last whole state; damaged states are set aside."""
        title, damaged = self._title, False
        for path in (self.files.state, self.files.state_before):
            if not path.is_file():
                continue
            trainer = self._trainer()
            try:
                trainer.restore(path, self.spec.hash)
            except ValueError as error:
                damaged = True
                self.say(f"{title}: {error}; set aside as {set_aside(path).name}")
            else:
                self.say(f"{title}: goes on at step {trainer.steps_done}")
                self._saved_step = trainer.steps_done
                return trainer
        if damaged:
            self.say(f"{title}: no whole training state is left: trains from the start")
        return self._continued() or self._fresh()

    def _continued(self) -> Trainer | None:
        """A trainer at the end of the longest shorter run (`--keep-at`); None if no whole one is kept."""
        for shorter in self._shorter():
            path = RunFiles(self.files.out, shorter.id).state_at_end
            if not path.is_file():
                continue
            trainer = self._trainer()
            try:
                trainer.restore(path, shorter.hash)
            except ValueError as error:
                self.say(f"{self._title}: {error}; set aside as {set_aside(path).name}")
            else:
                self.say(f"{self._title}: goes on from {trainer.steps_done} steps")
                self._went_on_from = RunFiles(self.files.out, shorter.id)
                return trainer
        return None

    def _fresh(self) -> Trainer:
        """A trainer before its first step, with the weights that the run starts from."""
        trainer, init_from = self._trainer(), self.spec.training.init_from
        if init_from:
            start = read_start(self.files.out, init_from)
            self.say(f"{self._title}: starts from {start.words}")
            trainer.start_from(start.weights)
        return trainer

    def _shorter(self) -> list[RunSpec]:
        """The runs of `--keep-at` that this one may continue from, the longest first."""
        training, lengths = self.spec.training, self.policy.lengths
        return [
            replace(self.spec, training=replace(training, steps=steps))
            for steps in reversed(lengths)
            if steps < training.steps
        ]

    def _trainer(self) -> Trainer:
        spec = self.spec
        device = resolve_device(self.device)
        return Trainer(spec.variant, spec.training, self.train, spec.seed, device, self.ranks)

    def _train(
        self, trainer: Trainer, advance: Advance, stop: Callable[[], bool], trackers: Trackers
    ) -> None:
        steps, saved = self.spec.training.steps, time.monotonic()
        self.call()
        every = 0 if self.validation is None else self.validation.every
        training = trainer.train(
            log_every=log_every(steps),
            stop=stop,
            visit_every=every,
            visit=lambda: self._validate(trainer, trackers),
        )
        with closing(training) as entries:
            for entry in entries:
                release_pages(self.train)
                step = int(entry["step"])
                advance(step, remark(entry))
                trackers.training(entry)
                if step < steps and self._sample_is_due(step):
                    self._sample(trainer, step, trackers)
                if step < steps and time.monotonic() - saved >= self.policy.checkpoint_every:
                    self._save_state(trainer)
                    saved = time.monotonic()

    def _validate(self, trainer: Trainer, trackers: Trackers) -> None:
        assert self.validation is not None
        trackers.validation(self.validation.visit(trainer.steps_done, self._checkpoint(trainer)))

    def _finish(self, trainer: Trainer) -> None:
        content = {
            "history": trainer.history,
            "train_seconds": trainer.train_seconds,
            "warnings": trainer.warnings,
            "engine": {"used": trainer.engine_used, "reason": trainer.engine_reason},
            "environment": self.environment,
            "samples": self.samples.words,
        }
        if self.validation is not None:
            content["validation"] = self.validation.summary()
        if any(steps > self.spec.training.steps for steps in self.policy.lengths):
            with atomic_path(self.files.state_at_end) as temporary:
                trainer.save(temporary, self.spec.hash)
        write_text(self.files.history, json.dumps(content, allow_nan=False))
        self._keep_generator(trainer)
        passed = [RunFiles(self.files.out, shorter.id).state_at_end for shorter in self._shorter()]
        for state in (self.files.state, self.files.state_before, *passed):
            state.unlink(missing_ok=True)
        if self.validation is not None:
            self.validation.done()

    def _keep_generator(self, trainer: Trainer) -> None:
        """The run's checkpoint: of the last step, or of the one that the validation chooses.

        The validation looks at one direction: where it chooses, the other generator is not kept.
        """
        best = None if self.validation is None else self.validation.best_step
        if self.validation is None or best is None:
            if trainer.back is not None:
                with atomic_path(self.files.checkpoint_back) as temporary:
                    save_checkpoint(temporary, self._checkpoint_back(trainer.back))
            with atomic_path(self.files.checkpoint) as temporary:
                save_checkpoint(temporary, self._checkpoint(trainer))
            return
        if said := said_of(self.validation.summary()):
            self.say(f"{self._title}: {said}")
        if self.policy.keep == "all" and best != trainer.steps_done:
            with atomic_path(self.files.checkpoint_at(trainer.steps_done)) as temporary:
                save_checkpoint(temporary, self._checkpoint(trainer))
        move_file(self.files.best_at(best), self.files.checkpoint)

    def _save_state(self, trainer: Trainer) -> None:
        """Write the state; the one before it is kept, older ones are removed. A bad state replaces none."""
        if not trainer.is_finite:
            return
        with atomic_path(self.files.state) as temporary:
            trainer.save(temporary, self.spec.hash)
            if self.files.state.is_file():
                self.files.state.replace(self.files.state_before)
        self._saved_step = trainer.steps_done

    def _checkpoint(self, trainer: Trainer) -> Checkpoint:
        sides = self.train.source[0], self.train.target[0]
        found = self._described(trainer.generator, sides, self.resizes[0], self.spec, self.units)
        return replace(found, stacked=self.stacked)

    def _checkpoint_back(self, generator: nn.Module) -> Checkpoint:
        """The generator from targets to sources, as one of the opposite direction."""
        sides = self.train.target[0], self.train.source[0]
        return self._described(generator, sides, self.resizes[1], self.spec.turned(), self.units[::-1])

    @staticmethod
    def _described(
        generator: nn.Module,
        sides: tuple[NDArray[Any], NDArray[Any]],
        resize: str,
        spec: RunSpec,
        units: tuple[Units | None, Units | None],
    ) -> Checkpoint:
        source, target = sides
        channels, types = source.shape[2], (str(source.dtype), str(target.dtype))
        return Checkpoint(
            generator,
            spec.variant,
            spec.training,
            channels,
            types[0],
            resize,
            types[1],
            spec.id,
            source_units=units[0],
            target_units=units[1],
        )

    def _sample_is_due(self, step: int) -> bool:
        every = log_every(self.spec.training.steps)
        share = self.spec.training.steps / SAMPLE_POINTS
        return step // share > (step - every) // share

    def _sample(self, trainer: Trainer, step: int, trackers: Trackers) -> None:
        """Write a sheet of samples, and with `--keep all` the generator."""
        checkpoint = self._checkpoint(trainer)
        sheet = self.samples.sheet(checkpoint, self.spec.seed)
        write_png(sample_path(self.files, step), sheet)
        trackers.samples(sheet, step)
        if self.policy.keep == "all" and step < self.spec.training.steps:
            with atomic_path(self.files.checkpoint_at(step)) as temporary:
                save_checkpoint(temporary, checkpoint)


def train_along(spec: RunSpec, train: SplitArrays, device: str, ranks: Ranks) -> None:
    """What the other processes do while the first one runs the stage: the same steps only.

    Raises:
        DivergedError: as in the first process.
    """
    steps = spec.training.steps
    trainer = Trainer(spec.variant, spec.training, train, spec.seed, resolve_device(device), ranks)
    with deferred(patient=True) as stop:
        for _ in trainer.train(log_every=log_every(steps), stop=stop):
            release_pages(train)


def sample_path(files: RunFiles, step: int) -> Path:
    """The sample sheet of a step."""
    return files.samples / f"step-{step:07d}.png"


def log_every(steps: int) -> int:
    """Steps between log points: about 100 a run, at most 500 steps apart (little is lost to a crash)."""
    return min(max(1, steps // LOG_POINTS), _MAX_LOG_STEPS)


def remark(entry: dict[str, float]) -> str:
    """The losses of a log point, in short; that of L1 as the MAE that it is, in grey levels as in tables."""
    said = {
        name: f"train MAE {GREY_LEVELS * entry[name]:.1f}"
        if name == "loss_l1"
        else f"{_loss(name)} {entry[name]:.3f}"
        for name in entry
        if "loss" in name
    }
    return "  ".join([*(said.pop(name) for name in ["loss_l1"] if name in said), *said.values()])


def _loss(name: str) -> str:
    """ "loss_g_gan" -> "loss G", "loss_d" -> "loss D"; others by their own name."""
    return {"loss_g_gan": "loss G", "loss_d": "loss D"}.get(name, name.replace("_", " "))

"""One training, step by step (Isola et al. 2017, section 3.3 and appendix 6.2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from collections.abc import Generator as Iteration
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.checksummed import DamagedFileError, load_checked, save_checked
from baselines.engine import default_generator, set_precision
from baselines.execution import execution
from baselines.feed import check_loaded, feed_for
from baselines.health import DivergedError, Health, all_finite, spreads
from baselines.objectives.objective import Objective
from baselines.objectives.scheme import scheme_of
from baselines.pairs import PairArrays, dropout_seed, weight_seed
from baselines.parallel import ALONE, Ranks
from baselines.settings import TrainingSettings
from baselines.state import adam_tensors, load_adam, part
from baselines.variants import Variant

Steps = Iteration[dict[str, float], None, None]


class Trainer:
    """Trains one variant on one data set from one seed.

    Args:
        variant, settings, seed: what is trained, and how.
        data: training pairs at `settings.load_size_px`.
        device: the training device.
        ranks: the processes that train together; each takes its part of every batch.

    The state is the objective's (weights, Adam's moments) and the step counter; everything else
    follows from (seed, step).
    """

    def __init__(
        self,
        variant: Variant,
        settings: TrainingSettings,
        data: PairArrays,
        seed: int,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        check_loaded(data, settings)
        self.variant, self.settings, self.data, self.seed, self.device = variant, settings, data, seed, device
        self.ranks, self._places = ranks, ranks.share(settings.batch_size)
        channels = data.source[0].shape[2], data.target[0].shape[2]
        set_precision(settings.precision, device)
        scheme = scheme_of(variant)
        with torch.random.fork_rng():
            torch.manual_seed(weight_seed(seed))
            self.objective: Objective = scheme.start(variant, settings, channels, device, ranks, seed)
        self._feed = feed_for(data, settings, seed, self._places, device, paired=scheme.paired)
        alone = settings.batch_size == 1
        self._streams = [] if alone else [torch.Generator(device) for _ in self._places]  # one per sample
        self._execution = execution(
            settings.engine, device, ranks.world, self._streams, self.objective.capturable
        )
        self.steps_done = 0
        self.train_seconds = 0.0
        self.history: list[dict[str, float]] = []
        self.health = Health()
        self._caution = scheme.caution(settings)
        self._sums: Tensor | None = None  # of the losses `_summed_names`, in that order
        self._summed_names: list[str] = []
        self._summed = 0

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take the generator's weights, before the first step: its average starts there too.

        Raises:
            RuntimeError: if they are another network's.
        """
        for name in ("generator", "average"):
            if name in self.objective.networks:
                self.objective.networks[name].load_state_dict(weights)

    @property
    def generator(self) -> nn.Module:
        """The generator that is sampled, saved and tested: with `settings.ema` the averaged one."""
        return self.objective.generator

    @property
    def back(self) -> nn.Module | None:
        """The same for targets to sources; None where one direction is trained."""
        return getattr(self.objective, "back", None)

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What is to be said of this training: {"sign", "from_step", "to_step"}, in order."""
        whole = {"sign": self._caution, "from_step": 0, "to_step": self.settings.steps}
        return [*([whole] if self._caution is not None else []), *self.health.warnings]

    @property
    def wait_seconds(self) -> float:
        """Time spent waiting for data so far."""
        return self._feed.waited

    @property
    def engine_used(self) -> str:
        """The engine that executes the steps."""
        return self._execution.used

    @property
    def engine_reason(self) -> str | None:
        """Why it is not the requested engine; None if it is."""
        return self._execution.reason

    def train(
        self,
        *,
        log_every: int,
        stop: Callable[[], bool] = lambda: False,
        visit_every: int = 0,
        visit: Callable[[], None] = lambda: None,
    ) -> Steps:
        """Train to the end, yielding a history entry at each multiple of `log_every` and at the last step.

        Ends early, between two steps, if `stop` is true on any rank; `save` then saves the whole state.
        `visit` is called at each multiple of `visit_every` (0: never) and at the last step, after the checks
        of an entry and before it is yielded. It may use the generator, and its time is not training time.

        An entry holds the means of the losses since the last entry: "step", "images_seen", "lr",
        "seconds" (training time so far), "data_wait" (share of it spent waiting for data), and the losses of
        the objective, without their weights: on pairs "loss_l1" (in [0, 2]), with a discriminator
        "loss_g_gan", "loss_d" (in nats where `gan_loss` is "vanilla"), and the loss of each additional term.

        Raises:
            DivergedError: if a loss or weight is not finite, or the output is constant (`Health`).
            RanksApartError: if a step fails and there are several ranks.
        """
        with self.ranks.together(but=DivergedError):
            self._align()
            yield from self._train(log_every, stop, visit_every, visit)

    def _train(
        self, log_every: int, stop: Callable[[], bool], visit_every: int, visit: Callable[[], None]
    ) -> Steps:
        started, waited = time.perf_counter(), self.wait_seconds
        while self.steps_done < self.settings.steps and not self.ranks.highest(stop()):
            self.step()
            visits = bool(visit_every) and self._is_due(visit_every)
            if self._is_due(log_every):
                entry = self._log_entry()  # waits for the device, so that the time below is complete
                now = time.perf_counter()
                self.train_seconds += now - started
                entry["seconds"] = self.train_seconds
                entry["data_wait"] = (self.wait_seconds - waited) / (now - started)
                self.history.append(entry)
                if visits:
                    visit()
                try:
                    yield entry
                except GeneratorExit:  # the caller has stopped early: so do the other ranks
                    if self.steps_done < self.settings.steps:
                        self.ranks.highest(True)
                    raise
                started, waited = time.perf_counter(), self.wait_seconds
            elif visits:
                self._totals()  # waits for the device, so that its work counts as training
                paused = time.perf_counter()
                visit()
                started += time.perf_counter() - paused
        self.train_seconds += time.perf_counter() - started

    def _is_due(self, every: int) -> bool:
        """Whether the step just done is a multiple of `every`, or the last."""
        return self.steps_done % every == 0 or self.steps_done == self.settings.steps

    def _align(self) -> None:
        """Continue from the first rank's state."""
        if self.ranks.world > 1:
            state = self.ranks.from_first(self._tensors(), self._progress(), self.device)
            if not self.ranks.first:
                self._load(*state)

    def step(self) -> None:
        """One update by the objective on the batch of this step."""
        self._feed.fetch(self.steps_done)
        kind = self.objective.prepare(self.steps_done)
        self._seed_dropout()
        self._execution.run(self._work, kind)
        self._summed += 1
        self.steps_done += 1

    def _work(self) -> None:
        """The device's work in a step: the same operations on the same tensors in every step of a kind."""
        source, target = self._feed.images()
        prediction, losses = self.objective.step(source, target, self._streams or None)
        self._accumulate(losses | spreads(prediction, target))

    def _seed_dropout(self) -> None:
        """Seed dropout for this step: a stream for each sample, or torch's default for a batch of one.

        The default one is seeded in any case, because a part may draw from it. A CUDA graph needs generators
        that stay in place and are seeded again.
        """
        default = default_generator(self.device)  # `torch.manual_seed` takes 0.1 ms more, for other devices
        default.manual_seed(dropout_seed(self.seed, self.steps_done, self._places.start))
        for place, stream in zip(self._places if self._streams else (), self._streams, strict=True):
            stream.manual_seed(dropout_seed(self.seed, self.steps_done, place))

    def _accumulate(self, losses: dict[str, Tensor]) -> None:
        means = self.ranks.mean(torch.stack([loss.detach().float() for loss in losses.values()]))
        if self._sums is None:
            self._sums, self._summed_names = torch.zeros_like(means), list(losses)
        self._sums.add_(means)

    def _totals(self, over: int = 1) -> dict[str, float]:
        """The sums divided by `over`, float32; waits for the device."""
        totals = [] if self._sums is None else (self._sums / over).tolist()
        return dict(zip(self._summed_names, totals, strict=True))

    def _log_entry(self) -> dict[str, float]:
        means = self._totals(self._summed)
        done, steps = self.steps_done, self._summed
        self._forget_sums()
        try:
            self.health.check(done, steps, means, self.objective.networks.values())
        except DivergedError as error:
            error.history = self.history
            raise
        return {
            "step": done,
            "images_seen": done * self.settings.batch_size,
            "lr": self.settings.lr_at(done - 1),
            **means,
        }

    def _forget_sums(self) -> None:
        """Reset the sums in place, because a captured step keeps their address."""
        self._summed = 0
        if self._sums is not None:
            self._sums.zero_()

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite, so that the state may be saved."""
        return all_finite(self.objective.networks.values())

    def save(self, path: Path, identity: str) -> None:
        """Write weights, moments, counters and history to `path` (`baselines.checksummed`).

        `identity` names the run: `restore` refuses the state of another run.
        """
        save_checked(path, self._tensors(), {"identity": identity, "progress": self._progress()})

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {
            f"{network}.{name}": value
            for network, module in self.objective.networks.items()
            for name, value in module.state_dict().items()
        }
        for network, adam in self.objective.adams.items():
            tensors |= adam_tensors(network, adam)
        return tensors

    def _progress(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "train_seconds": self.train_seconds,
            "history": self.history,
            "sums": self._totals(),  # float32: exact in JSON
            "summed": self._summed,
            "health": self.health.state(),
        }

    def restore(self, path: Path, identity: str) -> None:
        """Continue from a saved state. If this fails, the trainer must not be used any more.

        Raises:
            ValueError: if the file is damaged or belongs to another run.
        """
        try:
            tensors, about = load_checked(path)
        except DamagedFileError as error:
            raise ValueError(f"training state {path} is damaged: {error}") from error
        if about.get("identity") != identity:
            raise ValueError(f"expected the state of run {identity} in {path}, found {about.get('identity')}")
        try:
            self._load(tensors, about["progress"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
            said = str(error).partition("\n")[0]  # torch lists every weight that does not fit
            raise ValueError(f"training state {path} does not fit this run: {said}") from error

    def _load(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        self._execution.forget()
        for network, module in self.objective.networks.items():
            module.load_state_dict(part(tensors, f"{network}."))
        for network, adam in self.objective.adams.items():
            load_adam(network, adam, tensors)
        self.steps_done, self.history = progress["steps_done"], progress["history"]
        self.train_seconds, self._summed = progress["train_seconds"], progress["summed"]
        self.health.load(progress["health"])
        self._summed_names = list(progress["sums"])
        sums = list(progress["sums"].values())
        self._sums = torch.tensor(sums, dtype=torch.float32, device=self.device) if sums else None

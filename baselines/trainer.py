"""One training, step by step (Isola et al. 2017, section 3.3 and appendix 6.2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Generator as Iteration
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.checked import DamagedFileError, load_checked, save_checked
from baselines.discriminators import Discriminator, check_fits
from baselines.engine import autocast, set_precision
from baselines.generators import Generator
from baselines.health import DivergedError, Health, all_finite, spreads
from baselines.layers import one_batch
from baselines.losses import adversarial_loss, discriminator_loss, l1_loss
from baselines.pairs import PairArrays, batch_at, dropout_seed, to_tensor, weight_seed
from baselines.parallel import ALONE, Ranks
from baselines.settings import TrainingSettings
from baselines.state import adam_tensors, load_adam, part
from baselines.variants import Variant

Steps = Iteration[dict[str, float], None, None]


def build_generator(
    variant: Variant, settings: TrainingSettings, source_channels: int, target_channels: int
) -> Generator:
    """The variant's generator, with fresh weights from torch's global random state."""
    return Generator(
        source_channels,
        target_channels,
        settings.size_px,
        base_filters=settings.base_filters,
        skips=variant.generator == "unet",
        dropout=variant.dropout,
        norm=variant.norm,
    )


def build_discriminator(
    variant: Variant, settings: TrainingSettings, source_channels: int, target_channels: int
) -> Discriminator | None:
    """The variant's discriminator, or None for a variant without an adversarial term.

    Raises:
        ValueError: if its receptive field cannot be built at this size.
    """
    receptive_field = variant.at_size(settings.size_px).receptive_field
    if receptive_field is None:
        return None
    check_fits(receptive_field, settings.size_px)
    channels = target_channels + (source_channels if variant.adversarial == "cgan" else 0)
    return Discriminator(channels, receptive_field, base_filters=settings.base_filters, norm=variant.norm)


class Trainer:
    """Trains one variant on one data set from one seed.

    Args:
        variant, settings, seed: what is trained, and how.
        data: training pairs at `settings.load_size_px`.
        device: where.
        ranks: the processes that train together; each takes its part of every batch.

    The state is weights, Adam's moments and the step counter; all else follows from (seed, step).

    Attributes:
        wait_seconds: time spent waiting for data so far.
        engine_used, engine_reason: how steps are executed, and if not as was asked for, why.
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
        if data.source.shape[1] != settings.load_size_px:
            raise ValueError(f"expected pairs of {settings.load_size_px} px, found {data.source.shape[1]} px")
        self.variant, self.settings, self.data, self.seed, self.device = variant, settings, data, seed, device
        self.ranks, self._places = ranks, ranks.share(settings.batch_size)
        channels = data.source.shape[3], data.target.shape[3]
        set_precision(settings.precision, device)
        with torch.random.fork_rng():
            torch.manual_seed(weight_seed(seed))
            self.generator = build_generator(variant, settings, *channels).to(device).train()
            discriminator = build_discriminator(variant, settings, *channels)
        self.discriminator = None if discriminator is None else discriminator.to(device).train()
        self._networks = [net for net in (self.generator, self.discriminator) if net is not None]
        self.generator_adam = self._adam(self.generator)
        self.discriminator_adam = None if self.discriminator is None else self._adam(self.discriminator)
        self._streams = [torch.Generator(device) for _ in self._places]  # of dropout, one a sample
        self.steps_done = 0
        self.train_seconds = 0.0
        self.history: list[dict[str, float]] = []
        self.health = Health()
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self.wait_seconds = 0.0
        self.engine_used, self.engine_reason = "eager", None

    def train(self, *, log_every: int, stop: Callable[[], bool] = lambda: False) -> Steps:
        """Train to the end, yielding a history entry at each multiple of `log_every` and at the last step.

        Ends early, between two steps, once `stop` says so on any rank: `save` then keeps all there is.

        An entry holds the means of the losses since the one before: "step", "images_seen", "lr",
        "seconds" (training time so far), "data_wait" (share of it spent waiting for data), "loss_l1"
        (in [0, 2]), and with a discriminator "loss_g_gan", "loss_d" (nats).

        Raises:
            DivergedError: when a loss or weight is not finite, or the output constant (`Health`).
            RanksApartError: when a step fails and there are several ranks.
        """
        with self.ranks.together(but=DivergedError):
            self._align()
            yield from self._train(log_every, stop)

    def _train(self, log_every: int, stop: Callable[[], bool]) -> Steps:
        started, waited = time.perf_counter(), self.wait_seconds
        while self.steps_done < self.settings.steps and not self.ranks.highest(stop()):
            self.step()
            if self.steps_done % log_every == 0 or self.steps_done == self.settings.steps:
                entry = self._log_entry()  # waits for the device, so that the time below is whole
                now = time.perf_counter()
                self.train_seconds += now - started
                entry["seconds"] = self.train_seconds
                entry["data_wait"] = (self.wait_seconds - waited) / (now - started)
                self.history.append(entry)
                try:
                    yield entry
                except GeneratorExit:  # whoever asked has ended early: so do the other ranks
                    if self.steps_done < self.settings.steps:
                        self.ranks.highest(True)
                    raise
                started, waited = time.perf_counter(), self.wait_seconds
        self.train_seconds += time.perf_counter() - started

    def _align(self) -> None:
        """Go on from where the first rank is."""
        if self.ranks.world > 1:
            state = self.ranks.from_first(self._tensors(), self._progress(), self.device)
            if not self.ranks.first:
                self._load(*state)

    def step(self) -> None:
        """One update of D and one of G on the batch of this step."""
        fetched = time.perf_counter()
        source, target = (
            to_tensor(pictures, self.device)
            for pictures in batch_at(self.steps_done, self.data, self.settings, self.seed, self._places)
        )
        self.wait_seconds += time.perf_counter() - fetched
        self._set_lr(self.settings.lr_at(self.steps_done))
        losses: dict[str, Tensor] = {}
        with one_batch(self._networks, self.ranks, self._dropout_streams()):
            with autocast(self.settings.precision, self.device):
                prediction = self.generator(source)
            if self.discriminator is not None:
                losses["loss_d"] = self._update_discriminator(source, target, prediction.detach())
            losses |= self._update_generator(source, target, prediction)
        self._accumulate(losses | spreads(prediction, target))
        self.steps_done += 1

    def _dropout_streams(self) -> list[torch.Generator] | None:
        """This step's random numbers for dropout: a stream a sample, or torch's own for a batch of one.

        Generators that stay and are seeded anew, as a CUDA graph needs them.
        """
        if self.settings.batch_size == 1:
            torch.manual_seed(dropout_seed(self.seed, self.steps_done))
            return None
        for place, stream in zip(self._places, self._streams, strict=True):
            stream.manual_seed(dropout_seed(self.seed, self.steps_done, place))
        return self._streams

    def _update_discriminator(self, source: Tensor, target: Tensor, prediction: Tensor) -> Tensor:
        assert self.discriminator is not None
        assert self.discriminator_adam is not None
        self.discriminator.requires_grad_(True)
        self.discriminator_adam.zero_grad(set_to_none=True)
        condition = source if self.variant.adversarial == "cgan" else None
        with autocast(self.settings.precision, self.device):
            real, generated = self.discriminator(condition, target), self.discriminator(condition, prediction)
            loss = discriminator_loss(real, generated)
        loss.backward()  # type: ignore[no-untyped-call]
        self.ranks.average_gradients(self.discriminator.parameters())
        self.discriminator_adam.step()
        return loss

    def _update_generator(self, source: Tensor, target: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        self.generator_adam.zero_grad(set_to_none=True)
        losses = {"loss_l1": l1_loss(prediction.float(), target)}
        total = (
            self.variant.lambda_l1 * losses["loss_l1"]
            if self.variant.lambda_l1
            else torch.zeros_like(losses["loss_l1"])
        )
        if self.discriminator is not None:
            self.discriminator.requires_grad_(False)  # D is not updated here: spare its weight gradients
            condition = source if self.variant.adversarial == "cgan" else None
            with autocast(self.settings.precision, self.device):
                losses["loss_g_gan"] = adversarial_loss(self.discriminator(condition, prediction), real=True)
            total = total + self.variant.lambda_gan * losses["loss_g_gan"]
        total.backward()  # type: ignore[no-untyped-call]
        self.ranks.average_gradients(self.generator.parameters())
        self.generator_adam.step()
        return losses

    def _adam(self, module: nn.Module) -> torch.optim.Adam:
        settings = self.settings
        return torch.optim.Adam(
            module.parameters(), settings.lr, (settings.beta1, settings.beta2), fused=True
        )

    def _set_lr(self, lr: float) -> None:
        for adam in (self.generator_adam, self.discriminator_adam):
            if adam is not None:
                adam.param_groups[0]["lr"] = lr

    def _accumulate(self, losses: dict[str, Tensor]) -> None:
        means = self.ranks.mean(torch.stack([loss.detach().float() for loss in losses.values()]))
        for name, value in zip(losses, means, strict=True):
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._summed += 1

    def _log_entry(self) -> dict[str, float]:
        means = {name: (total / self._summed).item() for name, total in self._sums.items()}
        done, steps = self.steps_done, self._summed
        self._sums, self._summed = {}, 0
        try:
            self.health.check(done, steps, means, self._networks)
        except DivergedError as error:
            error.history = self.history
            raise
        return {
            "step": done,
            "images_seen": done * self.settings.batch_size,
            "lr": self.settings.lr_at(done - 1),
            **means,
        }

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite: what may be saved."""
        return all_finite(self._networks)

    def save(self, path: Path, identity: str) -> None:
        """Write weights, moments, counters and history to `path` (`baselines.checked`).

        `identity` names the run: `restore` refuses the state of another one.
        """
        save_checked(path, self._tensors(), {"identity": identity, "progress": self._progress()})

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"generator.{name}": value for name, value in self.generator.state_dict().items()}
        tensors |= adam_tensors("generator", self.generator_adam)
        if self.discriminator is not None and self.discriminator_adam is not None:
            tensors |= {
                f"discriminator.{name}": value for name, value in self.discriminator.state_dict().items()
            }
            tensors |= adam_tensors("discriminator", self.discriminator_adam)
        return tensors

    def _progress(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "train_seconds": self.train_seconds,
            "history": self.history,
            "sums": {name: total.item() for name, total in self._sums.items()},  # float32: exact in JSON
            "summed": self._summed,
            "health": self.health.state(),
        }

    def restore(self, path: Path, identity: str) -> None:
        """Go on from a saved state; where that fails the trainer is of no use any more.

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
        self.generator.load_state_dict(part(tensors, "generator."))
        load_adam("generator", self.generator_adam, tensors)
        if self.discriminator is not None and self.discriminator_adam is not None:
            self.discriminator.load_state_dict(part(tensors, "discriminator."))
            load_adam("discriminator", self.discriminator_adam, tensors)
        self.steps_done, self.history = progress["steps_done"], progress["history"]
        self.train_seconds, self._summed = progress["train_seconds"], progress["summed"]
        self.health.load(progress["health"])
        self._sums = {
            name: torch.tensor(total, device=self.device) for name, total in progress["sums"].items()
        }

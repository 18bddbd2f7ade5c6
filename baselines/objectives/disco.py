"""DiscoGAN: both directions at once, without pairs (Kim et al. 2017, arXiv:1703.05192).

A step is an iteration of the authors' `image_translation.py`: all networks see their images, then either both
discriminators are updated or both generators. Images are in [0, 1] where the authors compute with their
values: in the networks and in the reconstruction's error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.build import build_gan_loss, site_of
from baselines.components.described import Disco
from baselines.components.disco import to_unit
from baselines.components.registry import Part
from baselines.components.site import Judged
from baselines.engine import autocast
from baselines.layers import one_batch
from baselines.objectives.both_ways import BACK, averages, networks
from baselines.objectives.optimisers import Optimisers, Setting
from baselines.objectives.scheme import Scheme
from baselines.parallel import Ranks
from baselines.settings import TrainingSettings
from baselines.variants import Variant

OF_D, OF_G = "discriminators", "generators"
"""What a step updates: the kinds of steps."""


@dataclass(frozen=True)
class _Seen:
    """What one direction has made of its images: what D's features are of both, and the image there and back.

    Attributes:
        given, wanted: images of its sources' and its targets' side.
        made, again: `given` translated, and translated back.
        real, generated: D's features of `wanted` and `made`, the logits last.
    """

    given: Tensor
    wanted: Tensor
    made: Tensor
    again: Tensor
    real: Sequence[Tensor]
    generated: Sequence[Tensor]


class Discovering:
    """Two generators that invert each other, each against a discriminator (an `Objective`).

    Losses end in `BACK` for the way back. "loss_features" is the difference of D's features, "loss_cycle" the
    mean squared error of the source, there and back, in [0, 1].

    Args:
        fields: the objective's own fields.
        variant, settings: what is trained, and how.
        channels: of source and target.
        device: the training device.
        ranks: must be one process: features are averaged over the batch.
        seed: nothing is drawn from it.

    Attributes: those of `Objective`; `generator` translates sources to targets, `back` targets to sources.

    Raises:
        ValueError: if a part of the variant does not fit.
    """

    def __init__(
        self,
        fields: Disco,
        variant: Variant,
        settings: TrainingSettings,
        channels: tuple[int, int],
        device: torch.device,
        ranks: Ranks,
        seed: int,
    ) -> None:
        if ranks.world > 1:
            raise ValueError(f"objective=disco trains in one process, found {ranks.world}")
        self.fields, self.variant, self.settings = fields, variant, settings
        self._ranks, self._device = ranks, device
        self._updated = {
            name: network.to(device).train()
            for name, network in networks(variant, settings, channels).items()
        }
        gan_loss = build_gan_loss(variant, site_of(variant, settings, channels, device))
        assert gan_loss is not None
        self._gan_loss = gan_loss
        self._optimisers = Optimisers(settings, self._updated, device)
        self.adams: Mapping[str, torch.optim.Adam] = self._optimisers.adams
        self._kind, self._rate = OF_D, Setting(fields.rate_at(0), device)
        self._averages = averages(self._updated, variant, settings, channels, device)
        tested = {end: average.network for end, average in self._averages.items()}
        self.generator: nn.Module = tested.get("", self._updated["generator"])
        self.back: nn.Module = tested.get(BACK, self._updated[f"generator{BACK}"])
        averaged = {f"average{end}": network for end, network in tested.items()}
        self.networks: Mapping[str, nn.Module] = {**self._updated, **averaged}

    def prepare(self, step: int) -> str:
        """Set the learning rate and the reconstruction's weight of a step; returns what it updates."""
        self._optimisers.prepare(step)
        self._rate.set(self.fields.rate_at(step))
        for average in self._averages.values():
            average.prepare(step)
        self._kind = OF_D if step % self.fields.update_interval == 0 else OF_G
        return self._kind

    def step(
        self, source: Tensor, target: Tensor, streams: Sequence[torch.Generator] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One update, of both D or of both G; returns the prediction and the losses, without gradients."""
        updates_d = self._kind == OF_D
        ends = [f"{self._kind.removesuffix('s')}{end}" for end in ("", BACK)]
        for end in ("", BACK):
            self._updated[f"discriminator{end}"].requires_grad_(updates_d)
        for name in ends:
            self.adams[name].zero_grad(set_to_none=True)
        with one_batch(self._updated.values(), self._ranks, streams):
            ways = self._look(source, target, updates_d)
            losses, of_generators, of_discriminators = self._losses(ways)
            total = of_discriminators if updates_d else of_generators
            total.backward()  # type: ignore[no-untyped-call]
        for name in ends:
            self.adams[name].step()
        for average in () if updates_d else self._averages.values():
            average.update()
        return ways[""].made.detach(), {name: loss.detach() for name, loss in losses.items()}

    def _look(self, source: Tensor, target: Tensor, updates_d: bool) -> dict[str, _Seen]:
        """All networks see their images, in the authors' order: running statistics follow it."""
        sides = {"": (source, target), BACK: (target, source)}
        other = {"": BACK, BACK: ""}
        with autocast(self.settings.precision, self._device):
            with torch.set_grad_enabled(not updates_d):
                made = {end: self._updated[f"generator{end}"](given) for end, (given, _) in sides.items()}
                again = {end: self._updated[f"generator{other[end]}"](image) for end, image in made.items()}
            features = {
                end: [self._features(end, image) for image in (wanted, made[end])]
                for end, (_, wanted) in sides.items()
            }
        return {
            end: _Seen(given, wanted, made[end], again[end], *features[end])
            for end, (given, wanted) in sides.items()
        }

    def _features(self, end: str, image: Tensor) -> Sequence[Tensor]:
        found: Sequence[Tensor] = self._updated[f"discriminator{end}"].features(None, image)  # type: ignore[operator]
        return found

    def _losses(self, ways: Mapping[str, _Seen]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Losses by name; what both G minimise, and what both D do."""
        losses: dict[str, Tensor] = {}
        zero = torch.zeros((), dtype=ways[""].given.dtype, device=self._device)
        of_generators, of_discriminators = zero, zero
        rate = self._rate.now
        for end, seen in ways.items():
            adversarial = self._gan_loss.generator(seen.generated[-1])
            features = _apart(seen.real[1:-1], seen.generated[1:-1])
            again = seen.again.to(seen.given.dtype)
            cycle = functional.mse_loss(to_unit(again), to_unit(seen.given))
            judged = Judged(
                seen.real[-1], seen.generated[-1], seen.wanted, seen.made.detach(), self._logits(end)
            )
            loss_d = self._gan_loss.discriminator(judged)
            weighed = self.variant.lambda_gan * adversarial + self.fields.lambda_features * features
            of_generators = of_generators + (1 - rate) * weighed + rate * cycle
            of_discriminators = of_discriminators + loss_d
            losses |= {
                f"loss_g_gan{end}": adversarial,
                f"loss_features{end}": features,
                f"loss_cycle{end}": cycle,
                f"loss_d{end}": loss_d,
            }
        return losses, of_generators, of_discriminators

    def _logits(self, end: str) -> partial[Tensor]:
        return partial(self._updated[f"discriminator{end}"], None)

    @contextmanager
    def capturable(self) -> Iterator[None]:
        """In this context, the step may be captured."""
        with self._optimisers.capturable():
            yield


def _apart(real: Sequence[Tensor], generated: Sequence[Tensor]) -> Tensor:
    """The squared difference of the batch's mean features: its mean in each layer, summed over the layers.

    The authors' `HingeEmbeddingLoss` of targets 1 is the mean of what it is given.
    """
    apart = [
        (one.mean(0) - other.mean(0)).square().mean() for one, other in zip(real, generated, strict=True)
    ]
    return torch.stack(apart).sum()


def _caution(fields: Disco, settings: TrainingSettings) -> str | None:
    if fields.gan_curriculum < settings.steps or fields.starting_rate == fields.default_rate:
        return None
    return (
        f"the reconstruction kept its first weight of {fields.starting_rate:g}: gan_curriculum is "
        f"{fields.gan_curriculum} steps"
    )


def _scheme(fields: Disco) -> Scheme:
    return Scheme(
        networks,
        partial(Discovering, fields),
        paired=False,
        passes=(4, 2),  # there and back, of both generators; in the other steps, four of D alone
        shared=False,
        both_ways=True,
        period=fields.update_interval,
        caution=partial(_caution, fields),
    )


DISCO = Part(Disco, _scheme, training={"jitter": False, "mirror": False, "weight_decay": 1e-5})

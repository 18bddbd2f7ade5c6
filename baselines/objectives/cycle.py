"""CycleGAN: both directions at once, without pairs (Zhu et al. 2017, arXiv:1703.10593, sections 3 and 4).

A step has the order of the released `cycle_gan_model`: both generators, then both discriminators. These see
the images from before the generators' update, by way of the pools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from baselines.build import build_gan_loss, site_of
from baselines.components.described import Cycle
from baselines.components.gan_losses import l1_loss
from baselines.components.registry import Part
from baselines.components.site import Judged
from baselines.engine import autocast
from baselines.layers import one_batch
from baselines.objectives import both_ways
from baselines.objectives.both_ways import BACK, averages
from baselines.objectives.optimisers import Optimisers
from baselines.objectives.pool import Pool
from baselines.objectives.scheme import Scheme
from baselines.parallel import Ranks
from baselines.settings import TrainingSettings
from baselines.sizes import image_size, is_native
from baselines.variants import Variant


def networks(
    fields: Cycle, variant: Variant, settings: TrainingSettings, channels: tuple[int, int]
) -> dict[str, nn.Module]:
    """Those of both directions (`both_ways.networks`).

    Raises:
        ValueError: if the variant, the size or the channels do not fit.
    """
    if fields.lambda_identity and channels[0] != channels[1]:
        raise ValueError(
            "lambda_identity needs as many channels in source and target, found "
            f"{channels[0]} and {channels[1]}: --set lambda_identity=0"
        )
    if fields.pool_size and is_native(settings.size_px):
        raise ValueError("a pool needs images of one size, found native: --set pool_size=0, or one size")
    return both_ways.networks(variant, settings, channels)


@dataclass(frozen=True)
class _Way:
    """One direction: `end` of its names, its generator, what judges its images, and their pool."""

    end: str
    generator: nn.Module
    discriminator: nn.Module
    pool: Pool


class Cyclic:
    """Two generators that invert each other, each against a discriminator (an `Objective`).

    Losses end in `BACK` for the way back. "loss_cycle" is of the source, there and back; "loss_identity" of
    the target under the generator that makes targets.

    Args:
        fields: the objective's own fields.
        variant, settings: what is trained, and how.
        channels: of source and target.
        device: the training device.
        ranks: must be one process: a pool holds what one process has generated.
        seed: of the pools.

    Attributes: those of `Objective`; `generator` translates sources to targets, `back` targets to sources.

    Raises:
        ValueError: if a part of the variant does not fit.
    """

    def __init__(
        self,
        fields: Cycle,
        variant: Variant,
        settings: TrainingSettings,
        channels: tuple[int, int],
        device: torch.device,
        ranks: Ranks,
        seed: int,
    ) -> None:
        if ranks.world > 1:
            raise ValueError(f"objective=cycle trains in one process, found {ranks.world}")
        self.fields, self.variant, self.settings = fields, variant, settings
        self._ranks, self._device = ranks, device
        self._updated = {
            name: network.to(device).train()
            for name, network in networks(fields, variant, settings, channels).items()
        }
        gan_loss = build_gan_loss(variant, site_of(variant, settings, channels, device))
        assert gan_loss is not None
        self._gan_loss = gan_loss
        pools = self._pools(channels, seed)
        self._there, self._back = (
            _Way(end, self._updated[f"generator{end}"], self._updated[f"discriminator{end}"], pool)
            for end, pool in zip(("", BACK), pools, strict=True)
        )
        self._optimisers = Optimisers(settings, self._updated, device)
        self.adams: Mapping[str, torch.optim.Adam] = self._optimisers.adams
        kept = {f"pool{way.end}": way.pool for way in (self._there, self._back) if fields.pool_size}
        self._averages = averages(self._updated, variant, settings, channels, device)
        tested = {end: average.network for end, average in self._averages.items()}
        self.generator: nn.Module = tested.get("", self._there.generator)
        self.back: nn.Module = tested.get(BACK, self._back.generator)
        averaged = {f"average{end}": network for end, network in tested.items()}
        self.networks: Mapping[str, nn.Module] = {**self._updated, **kept, **averaged}

    def _pools(self, channels: tuple[int, int], seed: int) -> list[Pool]:
        """Of generated targets, and of generated sources."""
        images = self.fields.pool_size
        sides = image_size(self.settings.size_px).shape if images else (0, 0)
        return [
            Pool(images, (count, *sides), self.settings.batch_size, seed, number, self._device)
            for number, count in enumerate(reversed(channels))
        ]

    def prepare(self, step: int) -> None:
        """Set the learning rate of a step, what its pools do, and the share of its weights in the average."""
        self._optimisers.prepare(step)
        for way in (self._there, self._back):
            way.pool.prepare(step)
        for average in self._averages.values():
            average.prepare(step)

    def step(
        self, source: Tensor, target: Tensor, streams: Sequence[torch.Generator] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One update of both G, one of both D; returns the prediction and the losses, without gradients."""
        with one_batch(self._updated.values(), self._ranks, streams):
            made, losses = self._update_generators(source, target)
            for way, real in ((self._there, target), (self._back, source)):
                losses[f"loss_d{way.end}"] = self._update_discriminator(way, real, made[way.end])
        for average in self._averages.values():
            average.update()
        return made[""], {name: loss.detach() for name, loss in losses.items()}

    def _update_generators(
        self, source: Tensor, target: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Generated targets and sources by the end of their way, without gradients; and the losses."""
        for way in (self._there, self._back):
            way.discriminator.requires_grad_(False)  # D is not updated here: skip its weight gradients
            self.adams[f"generator{way.end}"].zero_grad(set_to_none=True)
        made, losses = {}, {}
        total = torch.zeros((), dtype=source.dtype, device=source.device)
        weight, share = self.fields.lambda_cycle, self.fields.lambda_identity
        for way, other, given, wanted in (
            (self._there, self._back, source, target),
            (self._back, self._there, target, source),
        ):
            with autocast(self.settings.precision, self._device):
                made[way.end] = way.generator(given)
                again = other.generator(made[way.end])
                adversarial = self._gan_loss.generator(way.discriminator(None, made[way.end]))
            losses[f"loss_g_gan{way.end}"] = adversarial
            losses[f"loss_cycle{way.end}"] = l1_loss(again.to(given.dtype), given)
            total = total + self.variant.lambda_gan * adversarial
            total = total + weight * losses[f"loss_cycle{way.end}"]
            if share:
                with autocast(self.settings.precision, self._device):
                    same = way.generator(wanted)
                losses[f"loss_identity{way.end}"] = l1_loss(same.to(wanted.dtype), wanted)
                total = total + weight * share * losses[f"loss_identity{way.end}"]
        total.backward()  # type: ignore[no-untyped-call]
        for way in (self._there, self._back):
            self.adams[f"generator{way.end}"].step()
        return {end: image.detach() for end, image in made.items()}, losses

    def _update_discriminator(self, way: _Way, real: Tensor, generated: Tensor) -> Tensor:
        network, adam = way.discriminator, self.adams[f"discriminator{way.end}"]
        network.requires_grad_(True)
        adam.zero_grad(set_to_none=True)
        shown = way.pool(generated)

        def logits(image: Tensor) -> Tensor:
            out: Tensor = network(None, image)
            return out

        with autocast(self.settings.precision, self._device):
            judged = Judged(logits(real), logits(shown), real, shown, logits)
            loss = self._gan_loss.discriminator(judged)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        return loss

    @contextmanager
    def capturable(self) -> Iterator[None]:
        """In this context, the step may be captured."""
        with self._optimisers.capturable():
            yield


def _scheme(fields: Cycle) -> Scheme:
    return Scheme(
        partial(networks, fields),
        partial(Cyclic, fields),
        paired=False,
        passes=(6, 2),  # there and back, and the identities, of both generators
        images=fields.pool_size,
        shared=False,
        both_ways=True,
    )


CYCLE = Part(Cycle, _scheme, training={"lr_schedule": "linear"})

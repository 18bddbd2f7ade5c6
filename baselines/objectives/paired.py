"""pix2pix and its ablations: one update of D and one of G (Isola et al. 2017, section 3.3, appendix 6.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from baselines.build import build_discriminator, build_gan_loss, build_generator, build_terms, site_of
from baselines.components.described import Pairs
from baselines.components.gan_losses import l1_loss
from baselines.components.registry import Part
from baselines.components.site import Judged, Seen
from baselines.engine import autocast
from baselines.layers import one_batch
from baselines.objectives.optimisers import Average, Optimisers
from baselines.objectives.scheme import Scheme
from baselines.parallel import Ranks
from baselines.settings import TrainingSettings
from baselines.variants import Variant


def networks(variant: Variant, settings: TrainingSettings, channels: tuple[int, int]) -> dict[str, nn.Module]:
    """Generator and, with an adversarial term, discriminator, with fresh weights.

    Raises:
        ValueError: if one does not fit.
    """
    made: dict[str, nn.Module] = {"generator": build_generator(variant, settings, *channels)}
    discriminator = build_discriminator(variant, settings, *channels)
    return made if discriminator is None else {**made, "discriminator": discriminator}


def start(
    variant: Variant,
    settings: TrainingSettings,
    channels: tuple[int, int],
    device: torch.device,
    ranks: Ranks,
    seed: int,
) -> Paired:
    """The objective; it draws nothing from `seed`."""
    return Paired(variant, settings, channels, device, ranks)


class Paired:
    """A generator that is trained on pairs, against a discriminator or without one (an `Objective`).

    Fresh weights come from torch's global random state.

    Args:
        variant, settings: what is trained, and how.
        channels: of source and target.
        device: the training device.
        ranks: the processes that train together.

    Attributes: those of `Objective`, and
        trained: the generator that is updated; `generator` is its average where `settings.ema` is above 0.
        discriminator: None for a variant without an adversarial term.

    Raises:
        ValueError: if a part of the variant does not fit.
    """

    def __init__(
        self,
        variant: Variant,
        settings: TrainingSettings,
        channels: tuple[int, int],
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        self.variant, self.settings, self._ranks, self._device = variant, settings, ranks, device
        self.trained = build_generator(variant, settings, *channels).to(device).train()
        discriminator = build_discriminator(variant, settings, *channels)
        self.discriminator = None if discriminator is None else discriminator.to(device).train()
        site = site_of(variant, settings, channels, device)
        self._gan_loss, self._terms = build_gan_loss(variant, site), build_terms(variant, site)
        self._updated: dict[str, nn.Module] = {"generator": self.trained}
        if self.discriminator is not None:
            self._updated["discriminator"] = self.discriminator
        self._optimisers = Optimisers(settings, self._updated, device)
        self._average: Average | None = None
        if settings.ema:
            alike = build_generator(variant, settings, *channels).to(device).train()
            self._average = Average(settings, self.trained, alike, device)
        self.adams: Mapping[str, torch.optim.Adam] = self._optimisers.adams
        self.generator: nn.Module = self.trained if self._average is None else self._average.network
        self.networks: Mapping[str, nn.Module] = dict(self._updated)
        if self._average is not None:
            self.networks = {**self._updated, "average": self._average.network}

    def prepare(self, step: int) -> None:
        """Set the learning rate of a step, and the share of its weights in the average."""
        self._optimisers.prepare(step)
        if self._average is not None:
            self._average.prepare(step)

    def step(
        self, source: Tensor, target: Tensor, streams: Sequence[torch.Generator] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One update of D and one of G; returns the prediction and the losses, without gradients."""
        losses: dict[str, Tensor] = {}
        with one_batch(self._updated.values(), self._ranks, streams):
            with autocast(self.settings.precision, self._device):
                prediction = self.trained(source)
            if self.discriminator is not None:
                losses["loss_d"] = self._update_discriminator(source, target, prediction.detach())
            losses |= self._update_generator(source, target, prediction)
        if self._average is not None:
            self._average.update()
        return prediction.detach(), {name: loss.detach() for name, loss in losses.items()}

    def _condition(self, source: Tensor) -> Tensor | None:
        return source if self.variant.adversarial == "cgan" else None

    def _update_discriminator(self, source: Tensor, target: Tensor, prediction: Tensor) -> Tensor:
        network, adam = self.discriminator, self.adams["discriminator"]
        assert network is not None
        assert self._gan_loss is not None
        network.requires_grad_(True)
        adam.zero_grad(set_to_none=True)
        condition = self._condition(source)

        def logits(image: Tensor) -> Tensor:
            out: Tensor = network(condition, image)
            return out

        with autocast(self.settings.precision, self._device):
            real, generated = logits(target), logits(prediction)
            loss = self._gan_loss.discriminator(Judged(real, generated, target, prediction, logits))
        loss.backward()  # type: ignore[no-untyped-call]
        self._ranks.average_gradients(network.parameters())
        adam.step()
        return loss

    def _update_generator(self, source: Tensor, target: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        adam = self.adams["generator"]
        adam.zero_grad(set_to_none=True)
        losses = {"loss_l1": l1_loss(prediction.float(), target)}
        total = (
            self.variant.lambda_l1 * losses["loss_l1"]
            if self.variant.lambda_l1
            else torch.zeros_like(losses["loss_l1"])
        )
        features: Sequence[Tensor] = ()
        if self.discriminator is not None:
            assert self._gan_loss is not None
            self.discriminator.requires_grad_(False)  # D is not updated here: skip its weight gradients
            with autocast(self.settings.precision, self._device):
                if self._terms:
                    features = self.discriminator.features(self._condition(source), prediction)
                    logits = features[-1]
                else:
                    logits = self.discriminator(self._condition(source), prediction)
                losses["loss_g_gan"] = self._gan_loss.generator(logits)
            total = total + self.variant.lambda_gan * losses["loss_g_gan"]
        seen = Seen(source, target, prediction, features, lambda: self._real_features(source, target))
        for name, weight in self.variant.terms.items():
            losses[f"loss_{name}"] = self._terms[name](seen)
            total = total + weight * losses[f"loss_{name}"]
        total.backward()  # type: ignore[no-untyped-call]
        self._ranks.average_gradients(self.trained.parameters())
        adam.step()
        return losses

    def _real_features(self, source: Tensor, target: Tensor) -> Sequence[Tensor]:
        if self.discriminator is None:
            return ()
        with torch.no_grad(), autocast(self.settings.precision, self._device):
            return self.discriminator.features(self._condition(source), target)

    @contextmanager
    def capturable(self) -> Iterator[None]:
        """In this context, the step may be captured."""
        with self._optimisers.capturable():
            yield


PAIRED = Part(Pairs, lambda fields: Scheme(networks, start))

"""One update of the networks (Isola et al. 2017, section 3.3 and appendix 6.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from baselines.discriminators import Discriminator
from baselines.engine import autocast
from baselines.generators import Generator
from baselines.layers import one_batch
from baselines.losses import adversarial_loss, discriminator_loss, l1_loss
from baselines.parallel import Ranks
from baselines.settings import TrainingSettings
from baselines.variants import Variant


class Updates:
    """Both networks with their optimisers.

    On a GPU the learning rate is a tensor in its memory, so that a captured step can read it.
    """

    def __init__(
        self,
        variant: Variant,
        settings: TrainingSettings,
        generator: Generator,
        discriminator: Discriminator | None,
        ranks: Ranks,
    ) -> None:
        self.variant, self.settings, self.ranks = variant, settings, ranks
        self.generator, self.discriminator = generator, discriminator
        self.networks: list[nn.Module] = [net for net in (generator, discriminator) if net is not None]
        self.generator_adam = self._adam(generator)
        self.discriminator_adam = None if discriminator is None else self._adam(discriminator)
        self._adams = [adam for adam in (self.generator_adam, self.discriminator_adam) if adam is not None]
        self._device = next(generator.parameters()).device
        on_gpu = self._device.type == "cuda"
        self._lr = torch.tensor(settings.lr, device=self._device) if on_gpu else None
        self._lr_there = settings.lr

    def set_lr(self, lr: float) -> None:
        """The learning rate of the next step."""
        if self._lr is not None and lr != self._lr_there:
            self._lr.fill_(lr)
            self._lr_there = lr
        for adam in self._adams:
            adam.param_groups[0]["lr"] = lr if self._lr is None else self._lr

    def step(
        self, source: Tensor, target: Tensor, streams: Sequence[torch.Generator] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One update of D and one of G; returns the prediction and the losses, without gradients.

        `streams`: of dropout, as `one_batch` takes them.
        """
        losses: dict[str, Tensor] = {}
        with one_batch(self.networks, self.ranks, streams):
            with autocast(self.settings.precision, self._device):
                prediction = self.generator(source)
            if self.discriminator is not None:
                losses["loss_d"] = self._update_discriminator(source, target, prediction.detach())
            losses |= self._update_generator(source, target, prediction)
        return prediction.detach(), {name: loss.detach() for name, loss in losses.items()}

    def _update_discriminator(self, source: Tensor, target: Tensor, prediction: Tensor) -> Tensor:
        assert self.discriminator is not None
        assert self.discriminator_adam is not None
        self.discriminator.requires_grad_(True)
        self.discriminator_adam.zero_grad(set_to_none=True)
        condition = source if self.variant.adversarial == "cgan" else None
        with autocast(self.settings.precision, self._device):
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
            self.discriminator.requires_grad_(False)  # D is not updated here: skip its weight gradients
            condition = source if self.variant.adversarial == "cgan" else None
            with autocast(self.settings.precision, self._device):
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

    @contextmanager
    def capturable(self) -> Iterator[None]:
        """In this context, the optimisers' steps may be captured; fused, they give the same result.

        Old gradients are dropped first, because those of a captured step are in the graph's own memory.
        """
        for adam in self._adams:
            adam.zero_grad(set_to_none=True)
            adam.param_groups[0]["capturable"] = True
        try:
            yield
        finally:
            for adam in self._adams:
                adam.param_groups[0]["capturable"] = False

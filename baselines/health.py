"""Signs of a failing training, checked once in each log interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_GREY_LEVEL = 2 / 255  # of images in [-1, 1]
_FEWEST_STEPS = 50  # a sign must last this long: short trainings have short log intervals, which mean little
_SATURATED_NATS = 1e-4


class DivergedError(Exception):
    """A training has diverged: its generator is useless.

    Attributes:
        step: when it was noticed, at most a log interval late.
        history: the training curve until then.
        last_good_step: step of the last training state that was saved before; None if none was saved.
    """

    def __init__(self, step: int, said: str) -> None:
        super().__init__(f"{said} by step {step}")
        self.step = step
        self.history: list[dict[str, float]] = []
        self.last_good_step: int | None = None


def spreads(prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Difference of the largest and smallest value of a batch: scalars in [0, 2]."""
    images = {"spread_prediction": prediction.detach(), "spread_target": target}
    ends = {name: image.aminmax() for name, image in images.items()}
    return {name: (highest - lowest).float() for name, (lowest, highest) in ends.items()}


class Health:
    """Detects NaN and infinity, a generator with constant output, and a discriminator that is always right.

    The first two end a training. The third only gives a warning: D's loss is below 1e-4 nats, so it gives the
    right answer with a probability above 0.9999 and G learns little from it (Arjovsky and Bottou 2017,
    "Towards principled methods for training GANs", section 2). A low loss of D alone is not such a sign:
    pix2pix trains well while D is ahead. A loss of D below 0 (WGAN) says nothing of the kind.

    Attributes:
        warnings: {"sign", "from_step", "to_step"}, in order.
    """

    def __init__(self) -> None:
        self.warnings: list[dict[str, Any]] = []
        self._constant = self._saturated = 0  # steps that the sign has lasted

    def check(self, step: int, steps: int, means: dict[str, float], networks: Iterable[nn.Module]) -> None:
        """Check the `steps` steps before `step`; removes the means of `spreads` from `means`.

        Raises:
            DivergedError: if the training has diverged.
        """
        prediction, target = means.pop("spread_prediction"), means.pop("spread_target")
        if not all(map(math.isfinite, means.values())):
            said = ", ".join(f"{name} {value:g}" for name, value in means.items())
            raise DivergedError(step, f"the loss was not finite ({said})")
        if not all_finite(networks):
            raise DivergedError(step, "a weight was not finite")
        is_constant = prediction < _GREY_LEVEL and target > 10 * _GREY_LEVEL
        self._constant = self._constant + steps if is_constant else 0
        if self._constant >= _FEWEST_STEPS:
            raise DivergedError(step, f"the generator's output was constant for {self._constant} steps")
        self._saturated = self._saturated + steps if 0 <= means.get("loss_d", 1.0) < _SATURATED_NATS else 0
        if self._saturated >= _FEWEST_STEPS:
            self._warn("the discriminator is always right", step)

    def _warn(self, sign: str, step: int) -> None:
        began = step - self._saturated
        if self.warnings and self.warnings[-1]["from_step"] == began:
            self.warnings[-1]["to_step"] = step
        else:
            self.warnings.append({"sign": sign, "from_step": began, "to_step": step})

    def state(self) -> dict[str, Any]:
        """The state that a resumed training needs (JSON only)."""
        return {"warnings": self.warnings, "constant": self._constant, "saturated": self._saturated}

    def load(self, state: dict[str, Any]) -> None:
        """Restore the result of `state`."""
        self.warnings = [dict(warning) for warning in state["warnings"]]
        self._constant, self._saturated = state["constant"], state["saturated"]


def all_finite(networks: Iterable[nn.Module]) -> bool:
    """Whether all weights and running statistics are finite; waits for the device once."""
    values = [value for network in networks for value in network.state_dict().values()]
    floats = [value for value in values if value.is_floating_point()]
    return bool(torch.stack([torch.isfinite(value).all() for value in floats]).all())

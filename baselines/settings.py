"""How a variant is trained and tested: the settings of appendix 6.2 as named fields."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from baselines.documents import LATER
from baselines.geometry import MAX_LEVELS, MIN_LEVELS, depth
from baselines.sizes import LARGER_NATIVE, NATIVE, ImageSize, Size, image_size

LrSchedule = Literal["constant", "linear"]
Precision = Literal["default", "fp32", "tf32", "bf16"]
EngineName = Literal["eager", "captured"]
TestNorm = Literal["batch", "running"]
Number = int | float  # kept as written: 1 and 1.0 are different texts, and a run's hash is over its text
MAX_BASE_FILTERS = 512


@dataclass(frozen=True)
class TrainingSettings:
    """One training without its variant, data and seed.

    Attributes:
        steps: optimisation steps, of D and G each (of one of them each for `objective=disco`).
        size_px: size of the images, 32 to 2048 px on each side: a number for a square, "WIDTHxHEIGHT", or
            "native" where each image keeps its own size.
        batch_size: pairs a step.
        base_filters: width of the first layer of both networks (64 in the paper), 512 at most.
        lr, beta1, beta2: Adam (appendix 6.2).
        lr_schedule: "constant" (the paper, the Lua code), or "linear": constant for the first half of
            the steps, then falling linearly to 0 (as in the released PyTorch code, but step by step).
        jitter: load at round(side * 286 / 256) on each axis and crop at random.
        mirror: mirror half of the pairs.
        precision: "default" is the framework's own (on CUDA: TF32 convolutions).
        engine: how a step is executed: "eager", or "captured" as a CUDA graph if possible.
        ema: decay of the generator's moving average, such as 0.999; 0 = none. The averaged generator is the
            one that is saved and tested. Early on the decay is smaller, (1 + step) / (10 + step), so that the
            average forgets the initial weights.
        weight_decay: times each weight, added to its gradient before Adam (as DiscoGAN's authors do: 1e-5).
        init_from: "sha256:" and 16 hexadecimal digits of the file whose weights the generator starts from
            (fine-tuning); "": fresh ones. Discriminators, and a second generator, start afresh.
        levels: halvings of the generator; None: what the shorter side bears (`geometry.depth`). "native"
            needs a number, which the smallest image bears.

    Raises:
        ValueError: for values out of range.
    """

    steps: int
    size_px: Size = 256
    batch_size: int = 1
    base_filters: int = 64
    lr: Number = 2e-4
    beta1: Number = 0.5
    beta2: Number = 0.999
    lr_schedule: LrSchedule = "constant"
    jitter: bool = True
    mirror: bool = True
    precision: Precision = "default"
    engine: EngineName = "eager"
    ema: Number = field(default=0, metadata=LATER)
    levels: int | None = field(default=None, metadata=LATER)
    weight_decay: Number = field(default=0, metadata=LATER)
    init_from: str = field(default="", metadata=LATER)

    def __post_init__(self) -> None:
        self._check_size()
        for name in ("steps", "batch_size", "base_filters"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, found {getattr(self, name)}")
        if self.base_filters > MAX_BASE_FILTERS:
            raise ValueError(
                f"expected base_filters of at most {MAX_BASE_FILTERS}, found {self.base_filters}"
            )
        if not 0 < self.lr < math.inf:
            raise ValueError(f"expected a finite lr above 0, found {self.lr}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"expected a finite weight_decay of at least 0, found {self.weight_decay}")
        if self.init_from and re.fullmatch(r"sha256:[0-9a-f]{16}", self.init_from) is None:
            raise ValueError(f"expected init_from as sha256:HEX of a file, found '{self.init_from}'")
        for name in ("beta1", "beta2", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"expected {name} in [0, 1), found {getattr(self, name)}")
        for name, choices in (("lr_schedule", LrSchedule), ("precision", Precision), ("engine", EngineName)):
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise ValueError(f"expected {name} to be one of {known}, found '{getattr(self, name)}'")

    def _check_size(self) -> None:
        if self.size_px == NATIVE:
            if self.levels is None:
                raise ValueError(
                    "expected levels with size native: how often the smallest image can be halved"
                )
            if self.batch_size > 1:
                raise ValueError(
                    "expected batch size 1 with size native, where sizes are mixed, found "
                    f"{self.batch_size}: give one size for all images, such as 256 or 512x256"
                )
            if self.engine == "captured":
                raise ValueError(
                    "expected engine eager with size native, found captured: a CUDA graph has one size"
                )
        elif isinstance(self.size_px, str) and image_size(self.size_px).document != self.size_px:
            raise ValueError(f"expected a square as a number, found '{self.size_px}'")
        most = MAX_LEVELS if self.size_px == NATIVE else depth(self.size_px)
        if self.levels is not None and not MIN_LEVELS <= self.levels <= most:
            raise ValueError(
                f"expected {MIN_LEVELS} to {most} levels at {self.size_px} px, found {self.levels}"
            )

    @property
    def generator_levels(self) -> int:
        """How often the generator halves an image."""
        return self.levels or depth(self.size_px)

    @property
    def least_size(self) -> Size:
        """`size_px`; for "native" the smallest square that `levels` allow."""
        return 2**self.generator_levels if self.size_px == NATIVE else self.size_px

    @property
    def load_size_px(self) -> Size:
        """Size at which training pairs are loaded: 286 at 256 px with jitter (appendix 6.2)."""
        if not self.jitter:
            return self.size_px
        return LARGER_NATIVE if self.size_px == NATIVE else image_size(self.size_px).enlarged.document

    def window_in(self, loaded: ImageSize) -> ImageSize:
        """The size of the crop from a pair that was loaded at `loaded`."""
        if self.size_px != NATIVE:
            return image_size(self.size_px)
        return loaded.before_enlarging if self.jitter else loaded

    def lr_at(self, step: int) -> float:
        """Learning rate of step `step`, counted from 0."""
        if self.lr_schedule == "constant":
            return self.lr
        half = self.steps / 2
        return self.lr * min(1.0, (self.steps - step) / half)

    def average_share_at(self, step: int) -> float:
        """The share of the weights after step `step`, counted from 0, in the generator's moving average."""
        done = step + 1
        return 1.0 - min(self.ema, (1 + done) / (10 + done))


@dataclass(frozen=True)
class TestSettings:
    """How a trained generator is applied (section 3.2 and appendix 6.2).

    Attributes:
        dropout: dropout stays on at test time, with a seed for each image (the paper's only noise).
        norm: "batch": statistics of the test image itself (the paper); "running": the moving averages
            of training, as in PyTorch's `eval()` (a departure from the paper).
    """

    __test__ = False  # pytest takes it for a test class by its name

    dropout: bool = True
    norm: TestNorm = "batch"

"""`torchmetrics:NAME[,OPTION=VALUE]` and `pyiqa:NAME`: image metrics of these libraries by their own names.

Each image is scored alone; the value is the mean over images. Images are float32 RGB, (1, 3, H, W), in
[0, 1], or in [0, 255] where constants of the metric are for that range. Metrics of sets of images are not
taken: their value is no mean over images.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.core.bootstrap import bootstrap_mean
from bench.core.errors import UsageError, unknown_name
from bench.records.record import Goal, MetricResult
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext
from bench.scoring.metrics.common import NO_IMAGES, WITH_THEMSELVES
from bench.scoring.metrics.kept_rows import Rows
from bench.scoring.metrics.named_keys import parts
from bench.scoring.metrics.sample_curve import detail, mean_curve

_PAIRED, _ALONE = (("preds", "target"), ("img1", "img2")), (("img",),)
_BYTES = ("VisualInformationFidelity",)  # its noise variance of 2 is in grey levels of 0 to 255
_FAILED = "images could not be scored"
OfPair = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Found:
    """An image metric of a library.

    Attributes:
        make: builds it on a device; it may fetch weights, and fail.
        paired: whether it takes the target beside the prediction.
        goal: "max" or "min".
        library: name and version.
        options: those that it is built with.
        top: value of a white pixel.
    """

    make: Callable[[str], OfPair]
    paired: bool
    goal: Goal
    library: str
    options: Mapping[str, Any]
    top: float = 1.0


def find(key: str) -> Found:
    """The metric that a key names; nothing is built or fetched yet.

    Raises:
        UsageError: for a missing library, an unknown name (with the nearest one) or option, or a metric that
            does not score images one by one.
    """
    library, name, options = parts(key)
    if find_spec(library) is None:
        raise UsageError(
            f"expected the package {library} for {key}, found none: pip install 'pix2pix-bench[{library}]'"
        )
    return _of_torchmetrics(key, name, options) if library == "torchmetrics" else _of_pyiqa(name, options)


@cache
def _classes() -> dict[str, Any]:
    module = importlib.import_module("torchmetrics.image")
    public = ((name, getattr(module, name)) for name in dir(module) if name[0].isupper())
    return {name: found for name, found in public if inspect.isclass(found)}


def _of_torchmetrics(key: str, name: str, options: dict[str, Any]) -> Found:
    known = _classes()
    wanted = name.replace("_", "").lower()
    match = next((one for one in known if one.lower() == wanted), None)
    if match is None:
        raise unknown_name("metric of torchmetrics", name, known, "python -m pydoc torchmetrics.image")
    kind = known[match]
    takes = tuple(inspect.signature(kind.update).parameters)[1:]
    if takes not in (*_PAIRED, *_ALONE) or match == "QualityWithNoReference" or "Distortion" in match:
        raise UsageError(
            f"expected a metric that scores images one by one, found {key}: it takes {', '.join(takes)} of "
            "whole sets or of several bands"
        )
    accepted = inspect.signature(kind.__init__).parameters
    if unknown := [option for option in options if option not in accepted]:
        raise unknown_name(f"option of {name}", unknown[0], sorted(set(accepted) - {"self", "kwargs"}), key)
    usual: dict[str, Any] = {"data_range": 1.0} if "data_range" in accepted else {}
    if "LearnedPerceptual" in match:
        usual["normalize"] = True  # images in [0, 1]
    given = {**usual, **options}

    def make(device: str) -> OfPair:
        metric = kind(**given).to(device)

        def of_pair(prediction: Tensor, target: Tensor) -> Tensor:
            metric.reset()
            metric.update(*((prediction, target) if takes in _PAIRED else (prediction,)))
            value: Tensor = metric.compute()
            return value

        return of_pair

    goal: Goal = "max" if kind.higher_is_better else "min"
    top = 255.0 if match in _BYTES else 1.0
    return Found(make, takes in _PAIRED, goal, f"torchmetrics {version('torchmetrics')}", given, top)


def _of_pyiqa(name: str, options: dict[str, Any]) -> Found:
    library: Any = importlib.import_module("pyiqa")
    configs: dict[str, Any] = importlib.import_module("pyiqa.default_model_configs").DEFAULT_CONFIGS
    if name not in configs:
        raise unknown_name("metric of pyiqa", name, configs, "pyiqa --list")
    config = configs[name]
    if name.startswith("fid") or name == "inception_score":
        raise UsageError(f"expected a metric that scores images one by one, found pyiqa:{name}: use fid")
    paired = config.get("metric_mode") == "FR"

    def make(device: str) -> OfPair:
        metric = library.create_metric(name, device=torch.device(device), **options)
        return lambda *sides: metric(*(sides if paired else sides[:1]))

    goal: Goal = "min" if config.get("lower_better") else "max"
    return Found(make, paired, goal, f"pyiqa {version('pyiqa')}", options)


class NamedMetric:
    """The mean of a library's metric over images, its interval and each image's value."""

    keys: ClassVar[tuple[str, ...]] = ()  # its key is the one that it is asked for by

    def __init__(self, context: ScoringContext, key: str) -> None:
        self._key, self._rows, self._device = key, Rows(), context.device
        self._found = find(key)
        self._of_pair: OfPair | None = None
        self._reason = WITH_THEMSELVES if context.row == "real" and self._found.paired else None
        if self._reason is None:
            self._build()
        self._protocol: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "library": self._found.library,
            "options": {name: str(value) for name, value in sorted(self._found.options.items())},
            "reference": "paired test target" if self._found.paired else "none",
            "data": f"float32 RGB in [0, {self._found.top:g}], one image at a time, mean over images",
        }

    def _build(self) -> None:
        """Build the metric; a failure, such as weights that cannot be fetched, is the reason for no value."""
        try:
            with torch.random.fork_rng(devices=[]):
                self._of_pair = self._found.make(self._device)
        except Exception as error:  # a library and its downloads raise their own errors
            self._reason = f"{self._key} cannot be built here, perhaps for weights to fetch: {_said(error)}"

    def update(self, batch: Batch) -> None:
        """Score every image of the batch."""
        rows = {}
        if self._reason is None:
            try:
                rows["value"] = np.array(
                    [self._value(*pair) for pair in zip(batch.prediction, batch.target, strict=True)]
                )
            except Exception as error:  # such as images that are too small for it
                self._reason = f"{self._key}: {_FAILED}: {_said(error)}"
        self._rows.add(len(batch.names), rows)

    @torch.inference_mode()
    def _value(self, prediction: Any, target: Any) -> float:
        assert self._of_pair is not None
        scale = self._found.top / 255.0
        sides = [
            (torch.from_numpy(np.array(side)).permute(2, 0, 1)[None].to(self._device).float() * scale)
            for side in (prediction, target)
        ]
        return float(self._of_pair(*sides))

    def compute(self) -> MetricOutput:
        """The mean, or the reason why there is none."""
        n, key, goal = self._rows.n, self._key, self._found.goal
        reason = self._reason or (None if n else NO_IMAGES)
        if reason is None and not np.isfinite(self._rows["value"]).all():
            reason = f"not defined on {int((~np.isfinite(self._rows['value'])).sum())} of {n} images"
        if reason is not None:
            return MetricOutput([MetricResult(key, None, goal, n, self._protocol, reason=reason)])
        values = self._rows["value"]
        mean = float(values.mean())
        result = MetricResult(key, mean, goal, n, self._protocol, interval=bootstrap_mean(values))
        return MetricOutput([result], {key: values}, detail(**{key: mean_curve(values, mean)}))


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]

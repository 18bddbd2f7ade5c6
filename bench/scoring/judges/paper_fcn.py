"""The paper's own FCN score, as the released script computes it: `--judge caffe:FILE[,policy=...]`.

Photos are enlarged to the label's size (Pillow bilinear on uint8, like scipy.misc.imresize) and converted to
BGR, the mean is subtracted, and the argmax over 20 outputs is counted against 19 classes: docs/judges.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from baselines.sizes import Size
from bench.core.errors import UsageError
from bench.core.files import named_path, sha256_file
from bench.data.types import DatasetCard
from bench.scoring.judges.base import NO_CLASS
from bench.scoring.judges.caffe_fcn8s import load_fcn8s
from bench.scoring.judges.external import split_options
from bench.scoring.judges.fcn8s import FCN8s
from bench.scoring.metrics.confusion import ABSENT_IS_ZERO, confusion_matrix

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
OUTPUTS = 20
PUBLISHED, PUBLISHED_PX = (0.80, 0.26, 0.21), 256  # real photos through 256 px (table 1)
MEAN_BGR = (72.78044, 83.21195, 73.45286)
NATIVE = (1024, 2048)
RELEASED, GUARDED = "released-unguarded", "guarded"
_OPTIONS = ("label_size", "policy")
_SIDE_LIMIT = 8192
_TRIAL_PX = 128  # side of the image that times the device; in smaller ones fc6 takes too large a share


@dataclass(frozen=True)
class PaperOptions:
    """The options of the protocol.

    Attributes:
        label_size: height and width at which photos are labelled and labels are compared.
        policy: how the 20th output is counted: "released-unguarded" or "guarded".
    """

    label_size: tuple[int, int] = NATIVE
    policy: str = RELEASED


def check(rest: str) -> None:
    """Check options and file (see `bench.scoring.judges.external`).

    Raises:
        UsageError: saying what is wrong.
    """
    _parse(rest)


def check_card(card: DatasetCard) -> None:
    """See `bench.scoring.judges.external`.

    Raises:
        UsageError: for classes other than the 19 of Cityscapes.
    """
    found = tuple(info.name for info in card.train_classes)
    if found != CLASSES:
        raise UsageError(
            f"expected the {len(CLASSES)} classes of Cityscapes for the paper's FCN-8s, found those of "
            f"{card.name} ({', '.join(found[:3])}, ...): use a judge that is trained on them (--judge auto)"
        )


def open_judge(rest: str, card: DatasetCard, device: str) -> PaperJudge:
    """The judge of "FILE[,policy=...][,label_size=HxW]" on `device`.

    Raises:
        UsageError: for classes other than the 19 of Cityscapes, or if the file is not FCN-8s with 20 outputs.
    """
    path, options = _parse(rest)
    check_card(card)
    network = load_fcn8s(path)
    if network.score_fr.out_channels != OUTPUTS:
        raise UsageError(
            f"expected {OUTPUTS} outputs of layer score_fr in {path}, found {network.score_fr.out_channels}: "
            "take the released fcn-8s-cityscapes.caffemodel"
        )
    return PaperJudge(network.to(device), sha256_file(path), options, device)


def _parse(rest: str) -> tuple[Path, PaperOptions]:
    name, given = split_options(rest, _OPTIONS)
    path = named_path(name)
    policy = given.get("policy", RELEASED)
    if policy not in (RELEASED, GUARDED):
        raise UsageError(f"expected policy={RELEASED} or policy={GUARDED} after --judge, found '{policy}'")
    if not path.is_file():
        raise UsageError(f"expected a .caffemodel at {path}, found no such file: check --judge caffe:FILE")
    try:
        with path.open("rb") as handle:
            handle.read(1)
    except OSError as error:
        raise UsageError(f"expected a readable .caffemodel at {path}: {error.strerror}") from None
    return path, PaperOptions(_size(given["label_size"]) if "label_size" in given else NATIVE, policy)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= _SIDE_LIMIT for side in sides):
        raise UsageError(f"expected label_size=HEIGHTxWIDTH, 1 to {_SIDE_LIMIT} each, found '{text}'")
    return sides


@dataclass(frozen=True)
class PaperJudge:
    """FCN-8s under the paper's protocol; implements `base.Judge` and its own counting (`confusions`).

    Attributes:
        network: on `device`.
        file_sha256: of the weights' file.
        options: label size and histogram policy.
        device: torch device string.
        class_policy: absent classes count as 0, regardless of the data set's card.
        no_class: `segment` may give an id that is not a class.
    """

    network: FCN8s = field(repr=False)
    file_sha256: str
    options: PaperOptions = PaperOptions()
    device: str = "cpu"
    class_policy: str = ABSENT_IS_ZERO
    no_class: bool = True
    name: str = "caffe-fcn8s"
    num_classes: int = len(CLASSES)

    @property
    def hash(self) -> str:
        """Hash over the file and all processing before and after the network."""
        text = json.dumps([self.file_sha256, self._steps], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def _steps(self) -> dict[str, Any]:
        height, width = self.options.label_size
        return {
            "judge_protocol": "paper",
            "label_size": f"{height}x{width}",
            "enlarged": "photos bilinear (Pillow, uint8), labels nearest",
            "input": f"BGR, mean {MEAN_BGR} subtracted",
            "outputs": OUTPUTS,
            "histogram": self.options.policy,
        }

    @property
    def protocol(self) -> dict[str, Any]:
        """The fields that must agree before two scores may be compared."""
        file = {"judge": self.name, "judge_hash": self.hash, "judge_file_sha256": self.file_sha256[:16]}
        return {**file, **self._steps}

    @property
    def meta(self) -> dict[str, Any]:
        """The entry in the record's details."""
        return {"network": self.name, **self.protocol}

    def published(self, card: DatasetCard, size_px: Size) -> tuple[float, float, float] | None:
        """The paper's three scores of real photos if they apply here: Cityscapes through 256 px."""
        as_published = card.name == "cityscapes" and size_px == PUBLISHED_PX
        return PUBLISHED if as_published and self.options.label_size == NATIVE else None

    def seconds_per_image(self) -> float:
        """Expected time of one image on this device, measured with a small one."""
        trial = torch.zeros(1, 3, _TRIAL_PX, _TRIAL_PX, device=self.device)
        seconds = []
        for _ in range(2):  # the first one warms up
            started = time.perf_counter()
            self._score(trial).sum().item()
            seconds.append(time.perf_counter() - started)
        flops, trial_flops = (
            self.network.flops(*size) for size in (self.options.label_size, trial.shape[2:])
        )
        return min(seconds) * flops / trial_flops

    def segment(self, images: Tensor) -> Tensor:
        """Train ids (N, H, W) int64 on the CPU for (N, 3, H, W) uint8 RGB, at the images' own size.

        The network labels at `label_size`; the result is sampled at the nearest pixels. The 20th output is
        `NO_CLASS`.
        """
        maps = [self._at(self._labels(image), images.shape[-2:]) for image in _arrays(images)]
        ids = np.stack(maps) if maps else np.empty((0, *images.shape[-2:]), np.uint8)
        ids = np.where(ids < len(CLASSES), ids, NO_CLASS)
        return torch.from_numpy(ids.astype(np.int64))

    def confusions(self, images: Tensor, labels: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
        """One matrix an image, rows = truth, counted at `label_size` under the histogram policy.

        Args:
            images: (N, 3, H, W) uint8 RGB.
            labels: N arrays (h, w) uint8 of train ids, 255 = void; resized to the nearest pixels if needed.

        Returns:
            (N, 19, 19) int64; (N, 19, 20) with policy "guarded" (the last column is the 20th output).
        """
        matrices = [
            self._count(self._at(truth, self.options.label_size), self._labels(image))
            for image, truth in zip(_arrays(images), labels, strict=True)
        ]
        return np.stack(matrices)

    def _count(self, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
        if self.options.policy == RELEASED:
            return released_confusion(truth, predicted, len(CLASSES))
        return confusion_matrix(truth, predicted, len(CLASSES), no_class=True)

    def _labels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W) uint8 at `label_size`: argmax over the 20 outputs."""
        scores = self._score(self._input(image))
        labels: NDArray[np.uint8] = scores[0].argmax(0).to(torch.uint8).cpu().numpy()
        return labels

    @torch.inference_mode()
    def _score(self, pixels: Tensor) -> Tensor:
        with _full_precision():
            return self.network.score_maps(pixels)

    def _input(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(network_input(image, self.options.label_size)).to(self.device)

    @staticmethod
    def _at(ids: NDArray[np.uint8], size: Sequence[int]) -> NDArray[np.uint8]:
        height, width = size
        if ids.shape == (height, width):
            return ids
        return np.asarray(Image.fromarray(ids).resize((width, height), Image.Resampling.NEAREST))


def network_input(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, 3) uint8 RGB -> (1, 3, *size) float32 BGR less its mean, as the released script prepares it."""
    height, width = size
    enlarged = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(enlarged, dtype=np.float32)[:, :, ::-1] - np.array(MEAN_BGR, np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def released_confusion(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """The counts of the released script, which does not expect a prediction of `num_classes`.

    Such a pixel is counted in the first column of the next row. For the last class there is no next row:
    then the script drops the whole image.

    Args:
        truth: (H, W) train ids; ids of `num_classes` and above (void) are not counted.
        predicted: (H, W) in 0..num_classes.
        num_classes: K.

    Returns:
        (K, K) int64, rows = truth; zeros for a dropped image.
    """
    counted = truth < num_classes
    places = num_classes * truth[counted].astype(np.int64) + predicted[counted]
    counts = np.bincount(places, minlength=num_classes**2)
    if len(counts) != num_classes**2:
        return np.zeros((num_classes, num_classes), np.int64)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def _full_precision() -> AbstractContextManager[None]:
    """No TF32 and deterministic results: float32 throughout, as in Caffe."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return flags


def _arrays(images: Tensor) -> list[NDArray[np.uint8]]:
    """(N, 3, H, W) uint8 tensor -> N arrays (H, W, 3)."""
    return [np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()) for image in images]

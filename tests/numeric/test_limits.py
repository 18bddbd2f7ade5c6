"""At the limits: on what cannot be measured, each metric gives a refusal or a reason, never a number."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from metric_case import CARD, context_for
from metric_case import images as drawn
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.data.types import VOID, ClassInfo
from bench.records.record import MetricResult
from bench.scoring.metrics import inception
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.metrics.confusion import ABSENT_IS_ZERO, ABSENT_LEFT_OUT, scores_from_confusion
from bench.scoring.one_pass import score

SIZE = 32
ALL = [
    "ssim", "psnr", "mae", "pixel_acc@5", "pixel_acc@10", "lab_l", "lab_a", "lab_b", "hf_ratio", "fid", "kid",
    "fd_lite0", "fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou",
]  # fmt: skip
PALETTE = tuple(ClassInfo(name, (60 * i, 0, 90), i) for i, name in enumerate(("road", "sky", "tree", "car")))


class _Features(torch.nn.Module):
    """Stands in for Inception: 24 fixed filters, pooled."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        filters = torch.randn(24, 3, 5, 5, generator=torch.Generator().manual_seed(1))
        return torch.nn.functional.conv2d(images.float() / 255, filters).relu().mean((2, 3))


class _Judge:
    """Stands in for a segmentation network: the class is the brightness of the red channel, in quarters."""

    name, hash, num_classes = "quarters", "0", 4
    protocol: ClassVar[dict[str, Any]] = {"judge": "quarters", "judge_hash": "0"}

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0].long() // 64


@pytest.fixture(autouse=True)
def _quick_and_loud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A small network in place of Inception; a division by zero or an invalid value is an error."""
    (tmp_path / "weights").write_bytes(b"small network")
    monkeypatch.setattr(inception, "load_inception", lambda *_: _Features())
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., ScoringContext]:
    def make(targets: NDArray[Any], labels: NDArray[np.uint8] | None = None, **more: Any) -> ScoringContext:
        from dataclasses import replace

        card = replace(CARD, classes=PALETTE, class_policy=more.pop("policy", ABSENT_LEFT_OUT))
        made = context_for(targets, tmp_path, card=card, inception_weights=tmp_path / "weights", **more)
        return replace(made, test=replace(made.test, labels=labels, key=f"k{targets.tobytes()[:8].hex()}"))

    return make


def scored(predictions: NDArray[Any], context: ScoringContext, *keys: str) -> dict[str, MetricResult]:
    output, _ = score(lambda index: predictions[index], context, keys or ALL, lambda done, remark: None)
    return {result.name: result for result in output.results}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "float32 with NaN or infinite values"),
        (np.inf, "float32 with NaN or infinite values"),
        (-0.5, "float32 of -0.5 to 1"),
        (300.0, "float32 of 0 to 300"),
        (0.5, "float32 of 0 to 1"),  # floats in range as well: nobody knows which range was meant
    ],
)
def test_floats_are_refused_whatever_they_hold(
    context: Callable[..., ScoringContext], value: float, words: str
) -> None:
    predictions = np.zeros((3, SIZE, SIZE, 3), np.float32)
    predictions[1, 0, :2, 0] = 1.0, value
    predictions[0] = predictions[1]
    with pytest.raises(UsageError, match=f"found {words} for p0: convert them to uint8"):
        scored(predictions, context(drawn(3, SIZE)))


@pytest.mark.parametrize("dtype", [np.int16, np.bool_, np.uint32, np.float64])
def test_other_sample_types_are_refused(context: Callable[..., ScoringContext], dtype: type) -> None:
    with pytest.raises(UsageError, match=f"found {np.dtype(dtype)}"):
        scored(np.ones((2, SIZE, SIZE, 3), dtype), context(drawn(2, SIZE)), "ssim")


@pytest.mark.parametrize("shape", [(SIZE, SIZE + 1, 3), (16, 16, 3), (SIZE, SIZE, 4), (SIZE, SIZE)])
def test_other_shapes_are_refused(context: Callable[..., ScoringContext], shape: tuple[int, ...]) -> None:
    found = "x".join(map(str, shape))
    with pytest.raises(UsageError, match=f"of 32x32 with 1 or 3 channels, found {found} for p0"):
        scored(np.ones((2, *shape), np.uint8), context(drawn(2, SIZE)), "ssim")


def test_one_image(context: Callable[..., ScoringContext]) -> None:
    labels = np.zeros((1, SIZE, SIZE), np.uint8)
    found = scored(drawn(1, SIZE, seed=1), context(drawn(1, SIZE), labels, judge=_Judge()))
    assert set(found) == set(ALL)
    for key in ("fid", "kid", "fd_lite0"):
        assert (found[key].value, found[key].n) == (None, 1)
        assert "at least 2 images" in str(found[key].reason)
    rest = [result for key, result in found.items() if key not in ("fid", "kid", "fd_lite0")]
    assert all(result.value is not None and result.interval is None for result in rest)


def test_identical_sets(context: Callable[..., ScoringContext]) -> None:
    target = drawn(20, SIZE)
    found = scored(target, context(target))
    features = _Features()(torch.from_numpy(target).permute(0, 3, 1, 2)).double().numpy()
    assert found["fid"].value == pytest.approx(0, abs=1e-6 * np.cov(features.T).trace())
    assert found["fd_lite0"].value == pytest.approx(0, abs=1e-4)
    assert found["kid"].value <= 0  # type: ignore[operator]  # unbiased: between equal sets at most 0
    exact = {"ssim": 1, "psnr": 100, "mae": 0, "pixel_acc@5": 1, "lab_l": 1, "lab_a": 1, "hf_ratio": 1}
    for key, value in exact.items():
        assert found[key].value == pytest.approx(value, abs=1e-12), key


def test_constant_images(context: Callable[..., ScoringContext]) -> None:
    gray, black = (np.full((4, SIZE, SIZE, 3), level, np.uint8) for level in (128, 0))
    found = scored(gray, context(gray))
    assert found["ssim"].value == pytest.approx(1)
    assert found["fid"].value == pytest.approx(0, abs=1e-9)
    assert found["hf_ratio"].value is None
    assert "no power" in str(found["hf_ratio"].reason)
    found = scored(gray, context(black))
    c1 = (0.01 * 255) ** 2
    assert found["ssim"].value == pytest.approx(c1 / (128**2 + c1), rel=1e-6)
    assert found["mae"].value == 128
    assert found["lab_l"].value == 0
    assert found["pixel_acc@10"].value == 0
    features = [_Features()(torch.from_numpy(p).permute(0, 3, 1, 2)).double().numpy() for p in (gray, black)]
    gap = features[0].mean(0) - features[1].mean(0)
    assert found["fid"].value == pytest.approx(gap @ gap, rel=1e-5)  # no spread: the means alone


def test_images_smaller_than_the_window(context: Callable[..., ScoringContext]) -> None:
    found = scored(drawn(3, 8, seed=1), context(drawn(3, 8)), "ssim", "psnr")
    assert "smaller than the window" in str(found["ssim"].reason)
    assert found["psnr"].value is not None


@pytest.mark.parametrize(
    ("policy", "class_acc", "class_iou"),
    [(ABSENT_LEFT_OUT, (0.75 + 1) / 2, (0.75 + 0.5) / 2), (ABSENT_IS_ZERO, (0.75 + 1) / 4, (0.75 + 0.5) / 4)],
)
def test_classes_that_never_occur(
    context: Callable[..., ScoringContext], policy: str, class_acc: float, class_iou: float
) -> None:
    """Two of four classes occur; a quarter of class 0 is taken for class 1."""
    labels = np.full((2, SIZE, SIZE), VOID, np.uint8)
    labels[:, :16], labels[:, 16:20] = 0, 1
    guess = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    guess[:, 12:20] = 64
    keys = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou")
    found = scored(guess, context(drawn(2, SIZE), labels, judge=_Judge(), policy=policy), *keys)
    assert found["fcn_pixel_acc"].value == pytest.approx(16 / 20)
    assert found["fcn_class_acc"].value == pytest.approx(class_acc)
    assert found["fcn_class_iou"].value == pytest.approx(class_iou)
    assert {result.protocol["class_policy"] for result in found.values()} == {policy}


def test_labels_that_are_void_throughout(context: Callable[..., ScoringContext]) -> None:
    labels = np.full((2, SIZE, SIZE), VOID, np.uint8)
    target = drawn(2, SIZE)
    found = scored(target, context(target, labels, judge=_Judge()), "fcn_class_iou")
    assert "no test image has a labelled pixel" in str(found["fcn_class_iou"].reason)


def test_an_image_without_labelled_pixels_does_not_count(context: Callable[..., ScoringContext]) -> None:
    labels = np.full((3, SIZE, SIZE), VOID, np.uint8)
    labels[0] = 0
    guess = np.zeros((3, SIZE, SIZE, 3), np.uint8)
    guess[1:] = 255
    found = scored(guess, context(drawn(3, SIZE), labels, judge=_Judge()), "fcn_pixel_acc")
    assert found["fcn_pixel_acc"].value == 1


@pytest.mark.parametrize("policy", [ABSENT_IS_ZERO, ABSENT_LEFT_OUT])
def test_an_empty_confusion_matrix_has_no_score(policy: str) -> None:
    assert np.isnan(scores_from_confusion(np.zeros((4, 4)), policy)).all()


def test_no_images_at_all(context: Callable[..., ScoringContext]) -> None:
    nothing = np.empty((0, SIZE, SIZE, 3), np.uint8)
    labels = np.empty((0, SIZE, SIZE), np.uint8)
    found = scored(nothing, context(nothing, labels, judge=_Judge()))
    assert set(found) == set(ALL)
    assert all(result.value is None and result.reason for result in found.values())


def test_the_pass_gives_up_no_order_and_reads_every_image_once(
    context: Callable[..., ScoringContext],
) -> None:
    """Decoding ahead in threads changes nothing: names, values and order are those of one after the other."""
    target, guess = drawn(70, SIZE), drawn(70, SIZE, seed=1)
    read: list[int] = []

    def prediction(index: int) -> NDArray[np.uint8]:
        read.append(index)
        return guess[index]

    seen: list[int] = []
    advance: Callable[[int, str], None] = lambda done, remark: seen.append(done)  # noqa: E731
    import bench.scoring.one_pass as scoring

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_BATCH_PIXELS", 8 * SIZE**2)
        _, table = score(prediction, context(target), ["mae"], advance)
    assert sorted(read) == list(range(70))
    assert seen == [*range(8, 70, 8), 70]
    expected = np.abs(guess.astype(float) - target).mean((1, 2, 3))
    assert table["mae"].to_numpy() == pytest.approx(expected)
    assert list(table["name"]) == [f"p{index}" for index in range(70)]

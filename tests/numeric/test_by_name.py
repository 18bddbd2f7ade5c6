"""Metrics of other libraries by name: against independent implementations and analytic cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metric_case import by_name, context_for, images, run
from numpy.typing import NDArray
from scipy import ndimage, signal
from skimage.metrics import structural_similarity

from bench.core.errors import UsageError
from bench.scoring.metrics.by_name import NamedMetric, find
from bench.scoring.metrics.named_keys import metric_keys, parts
from bench.scoring.one_pass import families_for, wants_judge

Plane = NDArray[np.float64]


def values(key: str, cache: Path, size: int = 64, batch: int = 2, **more: Any) -> NDArray[np.float64]:
    """By image: four noisy images against their targets."""
    target = images(4, size)
    guess = np.clip(target + np.random.default_rng(1).normal(0, 12, target.shape), 0, 255).astype(np.uint8)
    output = run(NamedMetric(context_for(target, cache, **more), key), guess, target, batch=batch)
    (result,) = output.results
    assert result.reason is None
    found = np.asarray(output.per_image[key])
    assert result.value == pytest.approx(found.mean())
    assert result.interval is not None
    assert result.interval[0] <= found.mean() <= result.interval[1]
    return found


def pair(place: int, size: int = 64) -> tuple[Plane, Plane]:
    target = images(4, size)
    guess = np.clip(target + np.random.default_rng(1).normal(0, 12, target.shape), 0, 255).astype(np.uint8)
    return guess[place].astype(np.float64), target[place].astype(np.float64)


def vif_of_plane(prediction: Plane, target: Plane) -> float:
    """Pixel-domain VIF (Sheikh and Bovik 2006; the authors' vifp_mscale.m), in float64."""
    x, y, shared, whole = target, prediction, 0.0, 0.0
    for scale in range(4):
        taps = 2 ** (4 - scale) + 1
        line = np.exp(-((np.arange(taps) - taps // 2) ** 2) / (2 * (taps / 5) ** 2))
        window = np.outer(line, line) / line.sum() ** 2

        def mean(plane: Plane, window: Plane = window) -> Plane:
            return np.asarray(signal.convolve2d(plane, window, mode="valid"))

        if scale:
            x, y = mean(x)[::2, ::2], mean(y)[::2, ::2]
        mx, my = mean(x), mean(y)
        vx, vy = np.maximum(mean(x * x) - mx**2, 0), np.maximum(mean(y * y) - my**2, 0)
        cross = mean(x * y) - mx * my
        gain = cross / (vx + 1e-10)
        noise = vy - gain * cross
        gain, noise = np.where(vx < 1e-10, 0, gain), np.where(vx < 1e-10, vy, noise)
        vx = np.where(vx < 1e-10, 0, vx)
        gain, noise = np.where(vy < 1e-10, 0, gain), np.where(vy < 1e-10, 0, noise)
        noise, gain = np.where(gain < 0, vy, noise), np.maximum(gain, 0)
        noise = np.maximum(noise, 1e-10)
        shared += float(np.log10(1 + gain**2 * vx / (noise + 2.0)).sum())
        whole += float(np.log10(1 + vx / 2.0).sum())
    return shared / whole


def test_ssim_equals_scikit_image(cache: Path) -> None:
    found = values("torchmetrics:StructuralSimilarityIndexMeasure", cache)
    for place, value in enumerate(found):
        guess, target = pair(place)
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        _, every = structural_similarity(guess, target, data_range=255, channel_axis=-1, full=True, **options)
        assert value == pytest.approx(every.mean(), abs=1e-3)  # its border is reflected otherwise


def test_vif_equals_its_definition_in_float64(cache: Path) -> None:
    found = values("torchmetrics:VisualInformationFidelity", cache)
    for place, value in enumerate(found):
        guess, target = pair(place)
        planes = [vif_of_plane(guess[..., channel], target[..., channel]) for channel in range(3)]
        assert value == pytest.approx(np.mean(planes), rel=2e-3)


def test_an_exact_copy_has_the_best_values(cache: Path) -> None:
    target = images(2, 192)
    for key in ("MultiScaleStructuralSimilarityIndexMeasure", "VisualInformationFidelity"):
        output = run(NamedMetric(context_for(target, cache), f"torchmetrics:{key}"), target, target)
        assert output.results[0].value == pytest.approx(1.0, abs=1e-4)
        assert output.results[0].goal == "max"


def test_ms_ssim_falls_with_blur_and_batches_do_not_matter(cache: Path) -> None:
    target, key = images(4, 192), "torchmetrics:MultiScaleStructuralSimilarityIndexMeasure"
    found = []
    for sigma in (0.5, 1, 2):
        soft = ndimage.gaussian_filter(target, (0, sigma, sigma, 0))
        outputs = [run(NamedMetric(context_for(target, cache), key), soft, target, batch=b) for b in (1, 3)]
        assert np.array_equal(outputs[0].per_image[key], outputs[1].per_image[key])
        found.append(outputs[0].results[0].value)
    assert found == sorted(found, reverse=True)


def test_total_variation_needs_no_target_and_has_its_closed_form(cache: Path) -> None:
    target = np.zeros((3, 32, 32, 3), np.uint8)
    target[:, :, 16:] = 255  # one edge of height 1 over 32 rows and 3 channels
    output = run(
        NamedMetric(context_for(target, cache, row="real"), "torchmetrics:total_variation"), target, target
    )
    assert by_name(output)["torchmetrics:total_variation"].value == pytest.approx(96)
    assert output.results[0].goal == "min"


def test_the_protocol_has_library_version_options_and_input(cache: Path) -> None:
    target = images(2, 32)
    key = "torchmetrics:StructuralSimilarityIndexMeasure,sigma=2"
    (result,) = run(NamedMetric(context_for(target, cache), key), target, target).results
    assert result.protocol["library"].startswith("torchmetrics 1.")
    assert result.protocol["options"] == {"data_range": "1.0", "sigma": "2"}
    assert "[0, 1]" in result.protocol["data"]


def test_images_that_are_too_small_and_rows_without_a_target_give_the_reason(cache: Path) -> None:
    target, key = images(2, 32), "torchmetrics:MultiScaleStructuralSimilarityIndexMeasure"
    (small,) = run(NamedMetric(context_for(target, cache), key), target, target).results
    assert small.value is None
    assert "could not be scored" in str(small.reason)
    (real,) = run(NamedMetric(context_for(target, cache, row="real"), key), target, target).results
    assert real.reason == "compares the images with themselves"


def test_weights_that_cannot_be_fetched_are_the_reason(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchmetrics.image

    def offline(self: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torchmetrics.image.TotalVariation, "__init__", offline)
    target = images(2, 32)
    metric = NamedMetric(context_for(target, cache), "torchmetrics:TotalVariation")
    (result,) = run(metric, target, target).results
    assert result.value is None
    assert "weights to fetch: OSError: no network" in str(result.reason)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("torchmetrics:VisualInformationFidelty", "VisualInformationFidelity"),
        ("torchmetrics:FrechetInceptionDistance", "one by one"),
        ("torchmetrics:QualityWithNoReference", "one by one"),
        ("torchmetrics:TotalVariation,sigma=2", "sigma"),
        ("torchmetrics:TotalVariation,sigma", "OPTION=VALUE"),
        ("torchmetric:TotalVariation", "metric"),
    ],
)
def test_unusable_names_are_refused_before_anything_runs(key: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        families_for([key])


def test_a_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.scoring.metrics.by_name.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'pix2pix-bench\[pyiqa\]'"):
        find("pyiqa:ms_ssim")


def test_pyiqa_gives_the_value_of_its_own_call(cache: Path) -> None:
    pyiqa = pytest.importorskip("pyiqa", reason="the extra pyiqa is not installed")
    import torch

    found = values("pyiqa:ms_ssim", cache, size=192)
    metric = pyiqa.create_metric("ms_ssim")
    for place, value in enumerate(found):
        sides = [torch.tensor(side).permute(2, 0, 1)[None].float() / 255 for side in pair(place, 192)]
        assert value == pytest.approx(float(metric(*sides)), abs=1e-6)
    assert find("pyiqa:lpips").goal == "min"
    assert not find("pyiqa:brisque").paired
    with pytest.raises(UsageError, match="ms_ssim"):
        find("pyiqa:ms_sim")


def test_options_belong_to_the_metric_before_them() -> None:
    text = "ssim, torchmetrics:A,sigma=2,kernel_size=7 ,mae,pyiqa:b,torchmetrics:A,kernel_size=7,sigma=2"
    assert metric_keys(text) == ("ssim", "torchmetrics:A,kernel_size=7,sigma=2", "mae", "pyiqa:b")
    assert parts("torchmetrics:A,a=1,b=0.5,c=true,d=none,e=x")[2] == {
        "a": 1, "b": 0.5, "c": True, "d": None, "e": "x",
    }  # fmt: skip
    assert metric_keys("ssim,x=2") == ("ssim", "x=2")  # refused later, as an unknown metric


def test_no_judge_is_trained_for_them() -> None:
    assert not wants_judge(["torchmetrics:TotalVariation", "ssim"])

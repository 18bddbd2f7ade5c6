"""The Inception port against torch-fidelity's extractor, and FID and KID as a metric.

The released weights are a download; random ones in the released format exercise the same code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inception_file import write_inception
from metric_case import by_name, context_for, run, value
from metric_case import images as drawn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torch_fidelity.metric_kid import kernel_mmd

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.scoring.metrics import inception
from bench.scoring.metrics.fid import FidMetric
from bench.scoring.metrics.frechet import frechet_distance, gaussian
from bench.scoring.metrics.inception import InceptionFeatures, load_inception
from bench.scoring.metrics.inception_input import resize_tf1


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inception(tmp_path_factory.mktemp("weights") / "inception.pth")


class _SmallNetwork(torch.nn.Module):
    """Stands in for Inception where the test is about the metric around it: 12 fixed filters, pooled."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("filters", torch.randn(12, 3, 5, 5, generator=generator))
        self.calls: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(images))
        found = torch.nn.functional.conv2d(images.float() / 255, self.get_buffer("filters"))
        return found.relu().mean((2, 3))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[_SmallNetwork, Path]:
    network, path = _SmallNetwork(), tmp_path / "weights.pth"
    path.write_bytes(b"small network")
    monkeypatch.setattr(inception, "load_inception", lambda weights, device, protocol: network)
    return network, path


@pytest.mark.parametrize("size", [32, 128, 256, 299, 512])
def test_resize_equals_torch_fidelitys(size: int) -> None:
    images = torch.from_numpy(drawn(2, size)).permute(0, 3, 1, 2).float()[:, :, : size - 3]
    expected = interpolate_bilinear_2d_like_tensorflow1x(images, size=(299, 299), align_corners=False)
    torch.testing.assert_close(resize_tf1(images, 299), expected, rtol=0, atol=1e-4)


def test_features_equal_torch_fidelitys(weights: Path) -> None:
    images = torch.from_numpy(np.concatenate([drawn(2, 64), 255 - drawn(1, 64, seed=3)]))
    images = images.permute(0, 3, 1, 2)
    reference = FeatureExtractorInceptionV3(
        "reference", ["2048"], feature_extractor_weights_path=str(weights)
    )
    with torch.inference_mode():
        expected = reference(images)[0]
        found = load_inception(weights, "cpu")(images)
    assert found.shape == (3, 2048)
    assert 0.05 < expected.std() < 50  # neither vanished nor exploded
    assert (expected[0] - expected[1]).abs().max() > 0.05  # the images do make a difference
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_state_dict_has_the_released_names(weights: Path) -> None:
    reference = FeatureExtractorInceptionV3("r", ["2048"], feature_extractor_weights_path=str(weights))
    shapes = {key: tensor.shape for key, tensor in reference.state_dict().items()}
    assert {key: tensor.shape for key, tensor in InceptionFeatures().state_dict().items()} == shapes


def test_weights_without_batch_counters_load(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    bare = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(bare, tmp_path / "bare.pth")
    loaded = load_inception(tmp_path / "bare.pth", "cpu").state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in bare.items())


def test_files_that_hold_other_things_are_refused(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    fewer = {key: tensor for key, tensor in state.items() if key != "Mixed_5b.branch1x1.conv.weight"}
    other = {**state, "fc.weight": torch.zeros(1000, 2048)}
    cases: dict[str, Any] = {"fewer": fewer, "other": other}
    for name, content in cases.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(UsageError, match=r"expected the weights of Inception-v3 .*give torch-fidelity's"):
            load_inception(tmp_path / name, "cpu")
    torch.save(torch.zeros(3), tmp_path / "tensor")
    (tmp_path / "text").write_text("not weights")
    (tmp_path / "empty").touch()
    (tmp_path / "cut").write_bytes(weights.read_bytes()[:100_000])
    for name in ("tensor", "text", "empty", "cut", "absent"):
        with pytest.raises(UsageError, match=r"expected Inception weights in .*give torch-fidelity's"):
            load_inception(tmp_path / name, "cpu")


def test_fid_and_kid_from_end_to_end(weights: Path, cache: Path) -> None:
    target, guess = drawn(3, 32), drawn(3, 32, seed=5)
    output = run(FidMetric(context_for(target, cache, inception_weights=weights)), guess, target)
    reference = FeatureExtractorInceptionV3("r", ["2048"], feature_extractor_weights_path=str(weights))
    with torch.inference_mode():
        a, b = (
            reference(torch.from_numpy(p).permute(0, 3, 1, 2))[0].double().numpy() for p in (guess, target)
        )
    kid = kernel_mmd(a, b, kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_coef0=1)
    assert value(output, "fid") == pytest.approx(frechet_distance(gaussian(a), gaussian(b)), rel=1e-3)
    assert value(output, "kid") == pytest.approx(kid, rel=1e-3)
    protocol = by_name(output)["fid"].protocol
    assert protocol["weights"] == sha256_file(weights)[:16]
    assert protocol["network"] == "inception-v3-compat, weights not the released ones"


def test_without_weights_the_reason_is_given(cache: Path) -> None:
    target = drawn(3, 32)
    output = run(
        FidMetric(context_for(target, cache, inception_reason="no weights: fetch them")), target, target
    )
    assert {r.name: r.reason for r in output.results} == {
        "fid": "no weights: fetch them",
        "kid": "no weights: fetch them",
    }
    assert all(r.value is None and r.n == 3 for r in output.results)


def test_the_network_sees_the_same_chunks_whatever_the_batches_are(
    small: tuple[_SmallNetwork, Path], tmp_path: Path
) -> None:
    network, path = small
    target, guess = drawn(37, 24), drawn(37, 24, seed=1)
    outputs, calls = [], []
    for index, batch in enumerate((1, 5, 37)):
        network.calls.clear()
        context = context_for(target, tmp_path / str(index), inception_weights=path)
        outputs.append(run(FidMetric(context), guess, target, batch=batch))
        calls.append(sorted(network.calls))
    assert calls == [sorted([16, 16, 5] * 2)] * 3
    assert outputs[0].results == outputs[1].results == outputs[2].results
    assert value(outputs[0], "fid") > 0


def test_reference_features_are_kept_and_a_damaged_file_is_made_again(
    small: tuple[_SmallNetwork, Path], cache: Path
) -> None:
    network, path = small
    target, guess = drawn(5, 24), drawn(5, 24, seed=1)
    context = context_for(target, cache, inception_weights=path)
    first = run(FidMetric(context), guess, target)
    assert network.calls == [5, 5]
    second = run(FidMetric(context), guess, target)
    assert network.calls == [5, 5, 5]
    assert first.results == second.results
    (kept,) = (cache / "stats").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:50])
    assert run(FidMetric(context), guess, target).results == first.results
    assert network.calls == [5, 5, 5, 5, 5]
    path.write_bytes(b"another network")
    assert run(FidMetric(context), guess, target).results[0].protocol != first.results[0].protocol
    assert len(list((cache / "stats").glob("*.npz"))) == 2


def test_the_real_row_compares_training_targets(small: tuple[_SmallNetwork, Path], cache: Path) -> None:
    network, path = small
    target, train = drawn(6, 24), drawn(13, 24, seed=8)
    real = context_for(target, cache, row="real", inception_weights=path, train_targets=train)
    found = run(FidMetric(real), target, target)
    chosen = train[[0, 2, 4, 6, 8, 10]]
    expected = run(FidMetric(context_for(target, cache, inception_weights=path)), chosen, target)
    assert value(found, "fid") == pytest.approx(value(expected, "fid"), rel=1e-9)
    assert value(found, "fid") > 0
    assert found.results[0].protocol == expected.results[0].protocol
    before = len(network.calls)
    run(FidMetric(real), target, target)
    assert len(network.calls) == before  # both sides are kept
    few = context_for(target, cache, row="real", inception_weights=path, train_targets=train[:3])
    assert "fewer than the 6" in str(by_name(run(FidMetric(few), target, target))["fid"].reason)


def test_gray_and_16_bit_targets_are_seen_as_8_bit_rgb(
    small: tuple[_SmallNetwork, Path], cache: Path
) -> None:
    _, path = small
    depth = drawn(4, 24)[..., :1].astype(np.uint16) * 257
    guess = np.repeat((depth // 257).astype(np.uint8), 3, axis=-1)
    output = run(FidMetric(context_for(depth, cache, inception_weights=path)), guess, guess)
    assert value(output, "fid") == pytest.approx(0.0, abs=1e-9)


def test_one_image_and_none(small: tuple[_SmallNetwork, Path], cache: Path) -> None:
    _, path = small
    target = drawn(1, 24)
    context = context_for(target, cache, inception_weights=path)
    assert "at least 2 images" in str(run(FidMetric(context), target, target).results[0].reason)
    assert FidMetric(context).compute().results[1].reason == "no images were scored"

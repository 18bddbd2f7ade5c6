"""FID and KID against the implementations they are named after, on the same images and the same weights.

The released weights are a download: seeded random ones in the released format stand in, and give distances of
order 1 to 100. pytorch-fid and clean-fid are test extras.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inception_file import write_inception
from metric_case import by_name, context_for, run, value
from metric_case import images as drawn
from PIL import Image
from scipy import linalg

from bench.scoring.metrics.fid import FidMetric
from bench.scoring.metrics.frechet import frechet_distance, gaussian
from bench.scoring.metrics.inception import load_inception
from bench.scoring.metrics.inception_input import PREPARATIONS, resize_clean

LARGEST = 1e-3  # relative deviation that the originals allow for


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inception(tmp_path_factory.mktemp("weights") / "inception.pth")


@pytest.fixture
def pytorch_fid(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """pytorch-fid's network with those weights, which it would download."""
    module = pytest.importorskip("pytorch_fid.inception", reason="pytorch-fid is a test extra")

    def load(url: str, progress: bool) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = torch.load(weights, weights_only=True)
        return found

    monkeypatch.setattr(module, "load_state_dict_from_url", load)
    return module.InceptionV3([3]).eval()


def _images(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(drawn(count, size, seed)).permute(0, 3, 1, 2)


def test_features_equal_pytorch_fids(weights: Path, pytorch_fid: Any) -> None:
    images = torch.cat([_images(1, 64), 255 - _images(1, 64, seed=3)])
    with torch.inference_mode():
        expected = pytorch_fid(images.float() / 255)[0].flatten(1)
        found = load_inception(weights, "cpu", "pytorch-fid")(images)
    assert (expected[0] - expected[1]).abs().max() > 0.05  # the images do make a difference
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(
    "disp" not in inspect.signature(linalg.sqrtm).parameters, reason="pytorch-fid needs SciPy below 1.18"
)
def test_formula_equals_pytorch_fids() -> None:
    module = pytest.importorskip("pytorch_fid.fid_score", reason="pytorch-fid is a test extra")
    rng = np.random.default_rng(0)
    a = np.maximum(rng.normal(size=(300, 96)) @ rng.normal(size=(96, 96)) / 5 + 1, 0)
    b = np.maximum(rng.normal(size=(250, 96)) @ rng.normal(size=(96, 96)) / 5 + 0.6, 0)
    moments = [part for x in (a, b) for part in (x.mean(0), np.cov(x, rowvar=False))]
    expected = module.calculate_frechet_distance(*moments)
    assert 1 < expected < 100
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("size", [64, 256, 299, 400])
def test_clean_resize_equals_clean_fids(size: int) -> None:
    module = pytest.importorskip("cleanfid.resize", reason="clean-fid is a test extra")
    resize = module.make_resizer("PIL", False, "bicubic", (299, 299))
    for image in drawn(2, size, seed=size):
        expected = resize(image[: size - 5]).transpose(2, 0, 1)
        assert np.array_equal(resize_clean(image[: size - 5].transpose(2, 0, 1)), expected)


def test_clean_resize_takes_away_what_others_alias() -> None:
    """A checkerboard of single pixels is grey from afar; only the antialiased resize knows."""
    board = np.indices((640, 640)).sum(0) % 2 * 255
    images = torch.from_numpy(np.repeat(board[None, None].astype(np.uint8), 3, axis=1))
    spread = {name: float(made.apply(images).std()) for name, made in PREPARATIONS.items()}
    assert spread["clean"] < 0.05
    assert min(spread["torch-fidelity"], spread["pytorch-fid"]) > 0.2


def test_constant_images_keep_their_level_under_every_protocol() -> None:
    images = torch.full((1, 3, 50, 50), 200, dtype=torch.uint8)
    for name, expected in (("torch-fidelity", 72 / 128), ("clean", 72 / 128), ("pytorch-fid", 400 / 255 - 1)):
        found = PREPARATIONS[name].apply(images)
        assert found.shape == (1, 3, 299, 299)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, torch.full_like(found, expected), rtol=0, atol=1e-5)


def test_protocols_are_told_apart(weights: Path, cache: Path) -> None:
    target = drawn(2, 32)
    seen = []
    for name in PREPARATIONS:
        metric = FidMetric(context_for(target, cache, inception_weights=weights, fid_protocol=name))
        protocol = metric.compute().results[0].protocol
        assert protocol["fid_protocol"] == name
        seen.append((protocol["resize"], protocol["normalisation"]))
    assert len(set(seen)) == 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    "disp" not in inspect.signature(linalg.sqrtm).parameters, reason="pytorch-fid needs SciPy below 1.18"
)
def test_whole_distances_equal_the_originals(weights: Path, pytorch_fid: Any, tmp_path: Path) -> None:
    """From PNG files to the number, 2048 features, singular covariances; prints what the docs state."""
    scores = pytest.importorskip("pytorch_fid.fid_score", reason="pytorch-fid is a test extra")
    import torch_fidelity

    count = 40
    sides = {"a": np.clip(drawn(count, 48).astype(int) // 2 + 20, 0, 255).astype(np.uint8)}
    sides["b"] = drawn(count, 48, seed=5)
    for side, held in sides.items():
        (tmp_path / side).mkdir()
        for index, image in enumerate(held):
            Image.fromarray(image).save(tmp_path / side / f"{index:03d}.png")
    ours = {}
    for name in PREPARATIONS:
        context = context_for(sides["b"], tmp_path / name, inception_weights=weights, fid_protocol=name)
        ours[name] = run(FidMetric(context), sides["a"], sides["b"])
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "a"), input2=str(tmp_path / "b"), fid=True, kid=True, kid_subset_size=count,
        feature_extractor_weights_path=str(weights), cuda=False, verbose=False, cache=False, batch_size=8,
        save_cpu_ram=True,
    )  # fmt: skip
    files = [sorted((tmp_path / side).glob("*.png")) for side in sides]
    held = [scores.get_activations(paths, pytorch_fid, 8, 2048, "cpu", 0) for paths in files]
    moments = [part for x in held for part in (x.mean(0), np.cov(x, rowvar=False))]
    pairs = {
        "fid as torch-fidelity": (value(ours["torch-fidelity"], "fid"), theirs["frechet_inception_distance"]),
        "kid as torch-fidelity": (
            value(ours["torch-fidelity"], "kid"),
            theirs["kernel_inception_distance_mean"],
        ),
        "fid as pytorch-fid": (
            value(ours["pytorch-fid"], "fid"),
            float(scores.calculate_frechet_distance(*moments)),
        ),
    }
    for name, (found, expected) in pairs.items():
        print(f"{name}: {found:.6f} against {expected:.6f}, {abs(found / expected - 1):.1e} relative")
    apart = pairs["fid as pytorch-fid"][1] / pairs["fid as torch-fidelity"][1] - 1
    print(f"pytorch-fid over torch-fidelity: {apart:+.2%}; clean: {value(ours['clean'], 'fid'):.6f}")
    assert 1 < pairs["fid as torch-fidelity"][1] < 100
    assert all(found == pytest.approx(expected, rel=LARGEST) for found, expected in pairs.values())
    assert by_name(ours["clean"])["fid"].interval is not None

"""LPIPS against torchmetrics, on random AlexNet weights in the released format; what has no value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from metric_case import by_name, context_for, images, run, value
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.data.acquire.weights import ALEXNET, find_alexnet
from bench.scoring.metrics import lpips as module
from bench.scoring.metrics.lpips import LpipsMetric

FILE_NAME = ALEXNET.file_name


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random AlexNet where torchvision keeps the released one."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("hub") / "checkpoints" / FILE_NAME
    path.parent.mkdir()
    torch.save(alexnet(weights=None).state_dict(), path)
    return path


@pytest.fixture
def named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights, named by the user."""
    monkeypatch.setenv(ALEXNET.variable, str(weights))
    return weights


@pytest.fixture
def hub(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights as torchvision's own download."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(weights.parent.parent))
    return weights


@pytest.mark.parametrize("size", [31, 83])
def test_equals_torchmetrics(named: Path, hub: Path, tmp_path: Path, size: int) -> None:
    """torchmetrics finds the same file by itself, as torchvision's download."""
    predictions, targets = images(5, size, 1), images(5, size, 2)
    sides = [
        torch.from_numpy(side.transpose(0, 3, 1, 2).copy()) / 127.5 - 1 for side in (predictions, targets)
    ]
    theirs = learned_perceptual_image_patch_similarity(*sides, net_type="alex", reduction="none").numpy()
    output = run(LpipsMetric(context_for(targets, tmp_path)), predictions, targets)
    np.testing.assert_allclose(output.per_image["lpips"], theirs, rtol=1e-5)
    assert value(output, "lpips") == pytest.approx(theirs.astype(np.float64).mean(), rel=1e-5)
    assert theirs.min() > 1e-4  # there was something to compare


def test_an_exact_copy_is_0_and_noise_moves_away(named: Path, tmp_path: Path) -> None:
    targets = images(4, 48)
    rng = np.random.default_rng(0)

    def with_noise(level: float) -> float:
        noisy = np.clip(targets + rng.normal(0, level, targets.shape), 0, 255).astype(np.uint8)
        return value(run(LpipsMetric(context_for(targets, tmp_path)), noisy, targets), "lpips")

    assert value(run(LpipsMetric(context_for(targets, tmp_path)), targets, targets), "lpips") == 0
    assert 0 < with_noise(10) < with_noise(60)


def test_any_batch_size_gives_the_same(named: Path, tmp_path: Path) -> None:
    predictions, targets = images(19, 40, 1), images(19, 40, 2)
    one, all_at_once = (
        run(LpipsMetric(context_for(targets, tmp_path)), predictions, targets, batch=batch)
        for batch in (1, 19)
    )
    np.testing.assert_allclose(one.per_image["lpips"], all_at_once.per_image["lpips"], rtol=1e-5)


def test_the_protocol_names_the_weights(named: Path, tmp_path: Path) -> None:
    targets = images(3, 32)
    result = by_name(run(LpipsMetric(context_for(targets, tmp_path)), targets, targets))["lpips"]
    assert result.protocol["weights"] == sha256_file(named)[:16]
    assert "not the released ones" in result.protocol["network"]
    assert result.goal == "min"
    assert result.interval is not None


def test_building_the_network_leaves_the_random_state_alone(named: Path) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    module.load_lpips(named, "another hash", "cpu")
    assert torch.equal(before, torch.random.get_rng_state())


def test_without_weights_the_reason_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALEXNET.variable, raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    targets = images(3, 32)
    result = by_name(run(LpipsMetric(context_for(targets, tmp_path)), targets, targets))["lpips"]
    assert result.value is None
    assert ALEXNET.url in str(result.reason)
    assert ALEXNET.variable in str(result.reason)


def test_a_download_that_is_not_the_released_file_is_not_used(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALEXNET.variable, raising=False)
    path, reason = find_alexnet()
    assert path is None
    assert "does not begin with 7be5be79" in str(reason)


def test_a_named_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ALEXNET.variable, str(tmp_path / "nowhere.pth"))
    path, reason = find_alexnet()
    assert path is None
    assert "correct or unset it" in str(reason)


@pytest.mark.parametrize("content", [{"features.0.weight": torch.zeros(1)}, {}, [1], None])
def test_weights_of_another_network_are_named(tmp_path: Path, content: object) -> None:
    path = tmp_path / "weights.pth"
    if content is None:
        path.write_bytes(b"damaged")
    else:
        torch.save(content, path)
    with pytest.raises(UsageError, match="AlexNet state dict") as caught:
        module.load_lpips(path, "", "cpu")
    assert "\n" not in str(caught.value)


def test_small_images_and_the_real_row_have_no_value(named: Path, tmp_path: Path) -> None:
    small, large = images(3, 30), images(3, 32)
    cases = [(small, "run", "31 px"), (large, "real", "with themselves")]
    for targets, row, said in cases:
        metric = LpipsMetric(context_for(targets, tmp_path, row=row))
        result = by_name(run(metric, targets, targets))["lpips"]
        assert result.value is None
        assert said in str(result.reason)
    nothing = by_name(LpipsMetric(context_for(large, tmp_path)).compute())["lpips"]
    assert (nothing.value, nothing.n) == (None, 0)

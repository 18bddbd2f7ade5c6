"""Precision, recall, density, coverage: against their definition, the authors' code, and known cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metric_case import by_name, context_for, images, pooled_features, run, value
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.scoring.metrics import nearest_neighbours
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.metrics.fd_lite0 import FdLite0Metric
from bench.scoring.metrics.feature_choice import feature_file, features_identity, with_features
from bench.scoring.metrics.frechet import frechet_distance, gaussian
from bench.scoring.metrics.nearest_neighbours import Neighbours, neighbours
from bench.scoring.metrics.neighbours import K, NeighboursMetric
from bench.scoring.one_pass import families_for, score

KEYS = ("precision", "recall", "density", "coverage")


def by_definition(generated: NDArray[Any], real: NDArray[Any], k: int) -> Neighbours:
    """Kynkäänniemi et al. 2019, equation 2; Naeem et al. 2020, equations 3 and 4. One vector at a time."""

    def reach(vectors: NDArray[Any]) -> list[float]:
        return [
            sorted(np.linalg.norm(v - other) for j, other in enumerate(vectors) if j != i)[k - 1]
            for i, v in enumerate(vectors)
        ]

    balls, own = (
        list(zip(real, reach(real), strict=True)),
        list(zip(generated, reach(generated), strict=True)),
    )
    held = [sum(np.linalg.norm(y - x) < r for x, r in balls) for y in generated]
    recalled = [any(np.linalg.norm(x - y) < r for y, r in own) for x in real]
    covered = [any(np.linalg.norm(x - y) < r for y in generated) for x, r in balls]
    density = float(np.sum(held)) / (k * len(generated))
    return Neighbours(
        float(np.mean([h > 0 for h in held])), float(np.mean(recalled)), density, float(np.mean(covered))
    )


CASES = [(40, 60, 8, 0.3), (70, 50, 32, 0.8), (30, 30, 200, 0.05)]


@pytest.mark.parametrize(("n", "m", "dim", "shift"), CASES)
@pytest.mark.parametrize("block", [1, 64, 2**23])
def test_equals_its_definition_in_blocks_of_any_size(
    n: int, m: int, dim: int, shift: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest_neighbours, "_BLOCK", block)
    generated, real = pooled_features(n, dim, 1, shift), pooled_features(m, dim, 2)
    expected = by_definition(generated, real, K)
    assert neighbours(generated, real, K) == expected
    assert 0 < expected.recall < 1 or 0 < expected.precision < 1  # the case says something


@pytest.mark.parametrize(("n", "m", "dim", "shift"), CASES)
def test_equals_the_authors_package(n: int, m: int, dim: int, shift: float) -> None:
    prdc = pytest.importorskip("prdc")
    generated, real = pooled_features(n, dim, 3, shift), pooled_features(m, dim, 4)
    found = neighbours(generated.astype(np.float32), real.astype(np.float32), K)
    theirs = prdc.compute_prdc(real.astype(np.float32), generated.astype(np.float32), nearest_k=K)
    assert {key: getattr(found, key) for key in KEYS} == pytest.approx(theirs, abs=1e-12)


def test_a_collapsed_set_is_real_and_has_no_variety() -> None:
    real = pooled_features(200, 16, 0)
    collapsed = real[:1] + 1e-6 * pooled_features(200, 16, 1)
    found = neighbours(collapsed, real, K)
    assert found.precision == 1.0
    assert found.recall <= 0.01
    assert found.coverage < 0.1


def test_a_binomial_interval_is_too_narrow() -> None:
    """Why there is no interval: resampling the generated images leaves out that the real ones vary too."""
    draws = [
        neighbours(pooled_features(60, 16, s, 0.6), pooled_features(60, 16, 1000 + s), K) for s in range(200)
    ]
    found = np.array([draw.precision for draw in draws])
    width = 1.96 * np.sqrt(found * (1 - found) / 60)
    assert 0.2 < found.mean() < 0.8
    assert (np.abs(found - found.mean()) <= width).mean() < 0.85


def test_the_same_set_and_one_far_away() -> None:
    real = pooled_features(50, 16, 0)
    same, away = neighbours(real, real, K), neighbours(real + 1000, real, K)
    assert (same.precision, same.recall, same.coverage) == (1.0, 1.0, 1.0)
    assert same.density == pytest.approx(1.0)  # each ball holds its centre and four of five neighbours
    assert away == Neighbours(0.0, 0.0, 0.0, 0.0)


def test_equal_vectors_are_equal_far_from_the_origin() -> None:
    real = np.repeat(pooled_features(10, 16, 0) + 1e4, 8, axis=0)  # balls of radius 0: nothing is inside
    assert neighbours(real, real, K) == Neighbours(0.0, 0.0, 0.0, 0.0)


def scored(context: ScoringContext, guess: NDArray[np.uint8], keys: tuple[str, ...]) -> Any:
    return score(lambda index: guess[index], context, keys, lambda done, note: None)[0]


def test_features_are_extracted_once_for_all_metrics_of_a_pass(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.scoring.metrics.lite0_features import FeatureNetwork

    seen: list[int] = []
    extract = FeatureNetwork.features

    def counted(self: FeatureNetwork, pixels: torch.Tensor) -> torch.Tensor:
        seen.append(len(pixels))
        return extract(self, pixels)

    monkeypatch.setattr(FeatureNetwork, "features", counted)
    target, guess = images(8, 32), images(8, 32, seed=3)
    context = context_for(target, cache)
    output = scored(context, guess, ("fd_lite0", "precision", "recall"))
    assert sum(seen) == 16  # eight predictions and eight targets
    assert [one.name for one in output.results] == ["fd_lite0", "precision", "recall"]
    assert value(output, "fd_lite0") == value(
        run(FdLite0Metric(context_for(target, cache)), guess, target), "fd_lite0"
    )
    again = scored(context, target, ("precision",))  # a second pass starts anew
    assert value(again, "precision") == 1.0


def test_protocol_names_the_features_and_k(cache: Path) -> None:
    target = images(8, 32)
    context = context_for(target, cache)
    whole, parts = (run(NeighboursMetric(context), images(8, 32, seed=3), target, batch=b) for b in (8, 3))
    assert [one.value for one in whole.results] == [one.value for one in parts.results]
    for result in whole.results:
        assert result.protocol["network"] == "efficientnet-lite0-imagenet"
        assert result.protocol["k"] == 5
        assert result.protocol["n"] == 8
        assert result.interval is None
    assert not whole.per_image


def test_too_few_images_and_no_weights_are_said(cache: Path) -> None:
    target = images(5, 32)
    few = run(NeighboursMetric(context_for(target, cache)), target, target)
    assert by_name(few)["recall"].reason == "5 neighbours need 6 images, found 5"
    context = context_for(target, cache, features="inception", inception_reason="no weights: fetch them")
    assert (
        by_name(run(NeighboursMetric(context), target, target))["recall"].reason == "no weights: fetch them"
    )


class Pooled(torch.nn.Module):
    """Pools to a grid of four by four: 48 features."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(images.float(), 4).flatten(1)


def saved(module: torch.nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))  # type: ignore[no-untyped-call]
    return path


def test_a_network_in_a_file(tmp_path: Path, cache: Path) -> None:
    path = saved(Pooled(), tmp_path / "My Net.pt")
    target, guess = images(9, 32), images(9, 32, seed=3)
    choice = f"{path},size=own,input=bytes"
    output = run(NeighboursMetric(context_for(target, cache, features=choice)), guess, target)
    a, b = (
        p.reshape(9, 4, 8, 4, 8, 3).mean((2, 4)).transpose(0, 3, 1, 2).reshape(9, 48) for p in (guess, target)
    )
    assert value(output, "fd@my-net") == pytest.approx(frechet_distance(gaussian(a), gaussian(b)), rel=1e-4)
    assert {key: value(output, key) for key in KEYS} == vars(by_definition(a, b, K))
    protocol = by_name(output)["fd@my-net"].protocol
    assert protocol["network"] == "torchscript my-net"
    assert len(protocol["weights_sha256"]) == 64
    assert str(tmp_path) not in str(protocol) + features_identity(choice)
    assert with_features(("ssim",), choice) == ("ssim", *KEYS, "fd@my-net")


def test_what_features_add() -> None:
    assert with_features((), None) == ()
    assert with_features((), "inception") == ("all", *KEYS, "fid")
    assert with_features(("ssim",), "lite0") == ("ssim", *KEYS, "fd_lite0")
    assert with_features(("ssim", "recall"), "lite0") == ("ssim", "recall")
    with pytest.raises(UsageError, match="expected --features FILE"):
        with_features(("fd@net",), "lite0")


def test_all_metrics_and_more() -> None:
    everything = families_for(())
    assert "neighbours" not in everything
    assert families_for(("all",)) == everything
    assert families_for(with_features((), "inception")) == {**everything, "neighbours": set(KEYS)}
    assert families_for(("fid", "all")) == everything  # `kid` too


class Scalar(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean()


class Writes(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.from_file("/tmp/x", False, 3).expand(len(images), 3)


class NotFinite(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean((2, 3)) / 0.0


class WantsBytes(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.dtype == torch.uint8, "takes uint8"
        return images.float().mean((2, 3))


def test_files_that_are_no_feature_network_are_refused_in_one_line(tmp_path: Path) -> None:
    from bench.scoring.metrics.feature_file import open_feature_file

    (tmp_path / "no.pt").write_bytes(b"nothing")
    cases = {
        saved(Scalar(), tmp_path / "a.pt"): "expected one vector of floats an image",
        saved(Writes(), tmp_path / "b.pt"): "reaches out of it",
        saved(NotFinite(), tmp_path / "c.pt"): "expected finite features",
        saved(WantsBytes(), tmp_path / "d.pt"): "takes uint8",
        tmp_path / "no.pt": "expected a TorchScript file",
    }
    for path, said in cases.items():
        with pytest.raises(UsageError, match=said) as caught:
            open_feature_file(feature_file(str(path)), "cpu")
        assert "\n" not in str(caught.value)
    opened = open_feature_file(feature_file(f"{tmp_path / 'd.pt'},input=uint8"), "cpu")
    assert opened.protocol["feature_dim"] == 3
    refused = {
        "resnet": "found no file",
        f"{tmp_path / 'a.pt'},size=big": "expected size=own or 8 to 2048",
        f"{tmp_path / 'a.pt'},input=words": "expected input=unit",
        f"{tmp_path / 'a.pt'},size=64,input=uint8": "not resized",
        f"{tmp_path / 'a.pt'},colour=1": "found 'colour=1'",
    }
    for text, said in refused.items():
        with pytest.raises(UsageError, match=said):
            feature_file(text)

"""The Fréchet distance that needs no download: against its own formula, in its real network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from metric_case import by_name, context_for, images, run, value
from scipy import ndimage

from bench.scoring.metrics.fd_lite0 import FdLite0Metric
from bench.scoring.metrics.lite0_features import default_feature_network


def test_equals_the_textbook_formula_on_the_networks_features(cache: Path) -> None:
    target, guess = images(6, 32), images(6, 32, seed=3)
    output = run(FdLite0Metric(context_for(target, cache)), guess, target)
    network = default_feature_network("cpu")
    a, b = (
        network.features(torch.from_numpy(p).permute(0, 3, 1, 2)).double().numpy() for p in (guess, target)
    )
    gap = a.mean(0) - b.mean(0)
    x, y = (rows - rows.mean(0) for rows in (a, b))
    # tr sqrt(S1 S2) by the small Gram product, whose non-zero eigenvalues are those of S1 S2
    gram = x @ y.T @ y @ x.T / 25
    cross = np.sqrt(np.maximum(np.linalg.eigvals(gram).real, 0)).sum()
    expected = gap @ gap + ((x**2).sum() + (y**2).sum()) / 5 - 2 * cross
    assert value(output, "fd_lite0") == pytest.approx(expected, rel=1e-4)


def test_protocol_and_order(cache: Path) -> None:
    target = images(8, 32)
    context = context_for(target, cache)
    soft = run(FdLite0Metric(context), ndimage.gaussian_filter(target, (0, 2, 2, 0)), target)
    copy = run(FdLite0Metric(context), target, target, batch=3)
    assert value(copy, "fd_lite0") == pytest.approx(0.0, abs=1e-6)
    assert value(soft, "fd_lite0") > 0.1
    result = by_name(soft)["fd_lite0"]
    network = default_feature_network("cpu")
    assert result.protocol["network"] == network.protocol["network"]
    assert result.protocol["network_hash"] == network.protocol["network_hash"]
    assert result.protocol["n"] == result.n == 8
    assert result.goal == "min"
    assert not any(word in str(result.protocol).lower() for word in ("inception", "cpu", "cuda"))
    assert len(list((cache / "stats").glob("*.npz"))) == 1


def test_one_image_has_no_covariance(cache: Path) -> None:
    target = images(1, 32)
    output = run(FdLite0Metric(context_for(target, cache)), target, target)
    assert by_name(output)["fd_lite0"].value is None
    assert "at least 2 images" in str(by_name(output)["fd_lite0"].reason)

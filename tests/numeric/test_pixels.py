"""Pixel accuracy within a tolerance, on images whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_case import by_name, context_for, images, run, value

from bench.scoring.metrics.pixels import PixelsMetric, pixel_accuracy


def test_all_three_channels_must_be_within_and_the_limit_counts() -> None:
    target = np.full((1, 2, 2, 3), 100, np.uint8)
    guess = target.copy()
    guess[0, 0, 0] = (105, 95, 100)  # 5 off both ways: within 5
    guess[0, 0, 1] = (100, 100, 106)  # one channel 6 off: not within 5
    guess[0, 1, 0] = (89, 100, 100)  # 11 off: not even within 10
    assert pixel_accuracy(guess, target, [5])[0] == pytest.approx([0.5])
    assert pixel_accuracy(guess, target, [10])[0] == pytest.approx([0.75])
    assert pixel_accuracy(guess, target, [0])[0] == pytest.approx([0.25])


def test_differences_do_not_wrap_around() -> None:
    dark, bright = np.full((1, 4, 4, 3), 2, np.uint8), np.full((1, 4, 4, 3), 254, np.uint8)
    assert pixel_accuracy(dark, bright, [10])[0] == pytest.approx([0.0])
    assert pixel_accuracy(bright, dark, [10])[0] == pytest.approx([0.0])


def test_against_a_plain_computation_in_wider_integers() -> None:
    target, guess = images(3, 24), images(3, 24, seed=1)
    gap = np.abs(target.astype(int) - guess.astype(int))
    expected = (gap <= 40).all(-1).mean((1, 2))
    assert 0 < expected.min() < expected.max() < 1
    assert pixel_accuracy(guess, target, [40])[0] == pytest.approx(expected)


def test_metric(cache: Path) -> None:
    rng = np.random.default_rng(0)
    target = images(5, 32)
    guess = np.clip(target.astype(int) + rng.integers(-9, 10, target.shape), 0, 255).astype(np.uint8)
    context = context_for(target, cache)
    output = run(PixelsMetric(context), guess, target, batch=2)
    assert output.results == run(PixelsMetric(context), guess, target, batch=5).results
    assert value(output, "pixel_acc@5") == pytest.approx(pixel_accuracy(guess, target, [5])[0].mean())
    assert value(output, "pixel_acc@10") == 1.0
    assert output.per_image["pixel_acc@5"].shape == (5,)
    results = by_name(output)
    assert results["pixel_acc@5"].protocol["tolerance"] == 5
    assert results["pixel_acc@10"].protocol["tolerance"] == 10
    real = run(PixelsMetric(context_for(target, cache, row="real")), target, target)
    assert {r.reason for r in real.results} == {"compares the images with themselves"}

"""Lab histograms against scikit-image and NumPy; intersections whose value is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_case import by_name, context_for, images, run, value
from skimage.color import rgb2lab

from bench.scoring.metrics.colour import RANGES, ColourMetric, intersection, lab_histograms


def test_histograms_equal_numpys_on_scikit_images_lab() -> None:
    photos = images(3, 24)
    found = lab_histograms(photos)
    for image, rows in zip(photos, found, strict=True):
        lab = rgb2lab(image)
        for channel, limits in enumerate(RANGES.values()):
            expected, _ = np.histogram(lab[..., channel], bins=100, range=limits)
            assert rows[channel].tolist() == expected.tolist()


def test_every_colour_of_srgb_lies_inside_the_ranges() -> None:
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 1, 3)
    lab = rgb2lab(cube)
    for channel, (low, high) in enumerate(RANGES.values()):
        assert low <= lab[..., channel].min() + 1e-9
        assert lab[..., channel].max() <= high + 1e-9
    assert lab_histograms(cube).sum(-1).ravel().tolist() == [cube.shape[1]] * 3


def test_neutral_grey_lies_in_the_middle_of_a_bin() -> None:
    levels = np.arange(256, dtype=np.uint8)
    greys = np.repeat(levels, 3).reshape(1, 16, 16, 3)
    counts = lab_histograms(greys)[0]
    for channel, limits in zip(counts[1:], list(RANGES.values())[1:], strict=True):
        place = int(channel.argmax())
        edges = np.linspace(*limits, 101)[place : place + 2]
        assert channel[place] == 256
        assert edges.mean() == pytest.approx(0, abs=1e-9)


def test_greys_of_other_brightness_have_the_same_colours(cache: Path) -> None:
    rng = np.random.default_rng(0)
    dark, light = (
        rng.integers(*span, (4, 64, 64, 1)).repeat(3, -1).astype(np.uint8) for span in ((0, 2), (100, 200))
    )
    found = by_name(run(ColourMetric(context_for(dark, cache)), light, dark))
    assert (found["lab_a"].value, found["lab_b"].value, found["lab_l"].value) == (1.0, 1.0, 0.0)
    assert found["lab_a"].protocol["version"] == 2


def test_intersection_of_known_histograms() -> None:
    a, b = np.array([1.0, 1, 0, 0]), np.array([0.0, 0, 2, 2])
    assert intersection(a, b) == 0.0
    assert intersection(a, 10 * a) == pytest.approx(1.0)
    assert intersection(np.array([3.0, 1]), np.array([1.0, 3])) == pytest.approx(0.5)
    assert np.isnan(intersection(np.zeros(4), b))


def test_half_of_the_images_turned_grey(cache: Path) -> None:
    red, grey = np.zeros((4, 16, 16, 3), np.uint8), np.full((4, 16, 16, 3), 128, np.uint8)
    red[..., 0] = 200
    guess = np.concatenate([red[:2], grey[:2]])
    found = by_name(run(ColourMetric(context_for(red, cache)), guess, red))
    for key in ("lab_l", "lab_a", "lab_b"):
        assert found[key].value == pytest.approx(0.5)
        interval = found[key].interval
        assert interval is not None
        assert interval[0] <= 0.5 <= interval[1]


def test_pooled_over_the_set_not_averaged_over_images(cache: Path) -> None:
    target = images(6, 24)
    shuffled = target[::-1].copy()
    output = run(ColourMetric(context_for(target, cache)), shuffled, target, batch=2)
    assert [r.value for r in output.results] == pytest.approx([1.0, 1.0, 1.0])
    details = output.details["lab_histograms"]
    assert set(details) == {"l", "a", "b"}
    for name, (low, high) in RANGES.items():
        assert len(details[name]["edges"]) == 101
        assert (details[name]["edges"][0], details[name]["edges"][-1]) == (low, high)
        assert sum(details[name]["prediction"]) == pytest.approx(1.0)
        assert details[name]["prediction"] == pytest.approx(details[name]["target"])


def test_batch_size_does_not_matter(cache: Path) -> None:
    target, guess = images(5, 24), images(5, 24, seed=2)
    context = context_for(target, cache)
    outputs = [run(ColourMetric(context), guess, target, batch=batch) for batch in (1, 5)]
    assert outputs[0].results == outputs[1].results
    assert outputs[0].details == outputs[1].details
    assert 0.05 < value(outputs[0], "lab_a") < 0.95


def test_the_real_row_compares_training_targets(cache: Path) -> None:
    target, train = images(4, 24), images(9, 24, seed=7)
    real = context_for(target, cache, row="real", train_targets=train)
    found = run(ColourMetric(real), target, target, batch=3)
    expected = run(ColourMetric(context_for(target, cache)), train[[0, 2, 4, 6]], target)
    assert [r.value for r in found.results] == [r.value for r in expected.results]
    assert found.results[0].protocol == expected.results[0].protocol
    for train_targets, reason in ((None, "no training targets"), (train[:2], "fewer than the 4")):
        context = context_for(target, cache, row="real", train_targets=train_targets)
        missing = run(ColourMetric(context), target, target)
        assert all(r.value is None and reason in str(r.reason) for r in missing.results)


def test_one_image_and_none(cache: Path) -> None:
    target = images(1, 24)
    alone = run(ColourMetric(context_for(target, cache)), target, target)
    assert value(alone, "lab_l") == pytest.approx(1.0)
    assert alone.results[0].interval is None
    none = ColourMetric(context_for(target, cache)).compute()
    assert {r.reason for r in none.results} == {"no images were scored"}

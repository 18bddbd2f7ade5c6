"""Intervals of shares over raters and images: coverage in simulated studies, and analytic cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import beta

from bench.people.rates import rate

RATERS, TRIALS, SHARE, STUDIES = 30, 40, 0.2, 1000


def _study(
    rng: np.random.Generator, spread: tuple[float, float], middle: float, images: int
) -> tuple[np.ndarray, ...]:
    """One study: outcomes, raters and images of 30 raters by 40 trials."""
    of_rater, of_image = (rng.normal(0, sd, size) for sd, size in zip(spread, (RATERS, images), strict=True))
    raters = np.repeat(np.arange(RATERS), TRIALS)
    seen = np.concatenate([rng.permutation(images)[:TRIALS] for _ in range(RATERS)])
    fooled = rng.random(len(raters)) < expit(middle + of_rater[raters] + of_image[seen])
    return fooled, raters, seen


@pytest.mark.parametrize("spread", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (1.0, 1.0)])
def test_intervals_cover_the_true_share(spread: tuple[float, float]) -> None:
    rng = np.random.default_rng(11)
    draws = np.random.default_rng(1).normal(0, np.hypot(*spread), 100_000)
    middle = brentq(lambda level: expit(level + draws).mean() - SHARE, -6, 3) if any(spread) else logit(SHARE)
    hits = 0
    for _ in range(STUDIES):
        low, high = rate(*_study(rng, spread, middle, 60)).interval or (0.0, 0.0)
        hits += low <= SHARE <= high
    assert 0.93 <= hits / STUDIES <= 0.97


def test_without_raters_or_images_that_differ_it_is_the_binomial_interval() -> None:
    rng = np.random.default_rng(3)
    outcomes, raters, images = _study(rng, (0.0, 0.0), logit(0.5), 200)
    found = rate(outcomes, raters, images)
    half = 1.96 * np.sqrt(0.25 / len(outcomes))
    low, high = found.interval or (0.0, 0.0)
    assert (high - low) / 2 == pytest.approx(half, rel=0.25)


def test_raters_who_agree_with_themselves_alone_count_once_each() -> None:
    # every rater gives one answer 40 times: the interval is that of 30 answers, not of 1,200
    raters = np.repeat(np.arange(RATERS), TRIALS)
    images = np.tile(np.arange(TRIALS), RATERS)
    outcomes = raters < RATERS / 2
    low, high = rate(outcomes, raters, images).interval or (0.0, 0.0)
    assert (high - low) / 2 == pytest.approx(2.045 * np.sqrt(0.25 / RATERS), rel=0.1)


def test_no_variation_is_said_with_the_number_of_raters() -> None:
    raters, images = np.repeat(np.arange(10), 4), np.tile(np.arange(4), 10)
    none = rate(np.zeros(40), raters, images)
    assert none.interval == (0.0, pytest.approx(beta.ppf(0.975, 1, 10)))
    every = rate(np.ones(40), raters, images)
    assert every.interval == (pytest.approx(1 - beta.ppf(0.975, 1, 10)), 1.0)


def test_one_rater_or_one_image_has_no_interval() -> None:
    assert rate([0, 1], ["a", "a"], ["x", "y"]).interval is None
    assert rate([0, 1], ["a", "b"], ["x", "x"]).interval is None
    with pytest.raises(ValueError, match="one trial or more"):
        rate([], [], [])

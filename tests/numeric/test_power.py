"""`bench power`: components against known ones, predicted power against whole simulated experiments."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from bench.analysis.power import Components, components, detectable, images_needed, power, seeds_needed
from bench.analysis.power_plan import plans
from bench.cli import main as cli
from bench.core.bootstrap import paired_difference
from bench.records.record import MetricResult, RunRecord, write_record
from bench.scoring.metrics.confusion import ABSENT_LEFT_OUT, scores_from_confusion

Floats = NDArray[np.float64]
KNOWN = Components(seeds=0.01**2, images=0.10**2, rest=0.15**2)


def _experiment(
    rng: np.random.Generator, known: Components, delta: float, seeds: int, n: int
) -> list[Floats]:
    """(S, N) values of two variants with true means `delta` apart."""
    hard = rng.normal(size=n) * 0.3  # an image is as hard for both
    sides = []
    for shift in (delta, 0.0):
        own = rng.normal(size=n) * math.sqrt(known.images / 2)
        between = rng.normal(size=(seeds, 1)) * math.sqrt(known.seeds or 0.0)
        sides.append(shift + hard + own + between + rng.normal(size=(seeds, n)) * math.sqrt(known.rest))
    return sides


def _found(sides: list[Floats], delta: float) -> bool:
    """The report's rule, with the tests it uses: paired bootstrap over images, and Welch over seeds."""
    paired = paired_difference(sides[0].mean(0), sides[1].mean(0))
    assert paired.p_value is not None
    assert paired.difference is not None
    if paired.p_value > 0.05 or paired.difference * delta <= 0:
        return False
    if len(sides[0]) == 1:
        return True
    return bool(scipy_stats.ttest_ind(sides[0].mean(1), sides[1].mean(1), equal_var=False).pvalue <= 0.05)


def test_components_are_recovered() -> None:
    rng = np.random.default_rng(0)
    known = Components(0.04**2, 0.10**2, 0.15**2)
    estimates = [components(*_experiment(rng, known, 0.0, 5, 200)) for _ in range(200)]
    assert np.mean([e.seeds for e in estimates if e.seeds is not None]) == pytest.approx(known.seeds, rel=0.1)
    assert np.mean([e.images for e in estimates]) == pytest.approx(known.images, rel=0.05)
    assert np.mean([e.rest for e in estimates]) == pytest.approx(known.rest, rel=0.02)


def test_components_of_single_seeds_leave_seeds_unknown() -> None:
    rng = np.random.default_rng(1)
    found = components(*_experiment(rng, KNOWN, 0.0, 1, 4000))
    assert found.seeds is None
    assert found.rest == 0.0
    assert found.images == pytest.approx(KNOWN.images + 2 * KNOWN.rest, rel=0.1)  # cannot be told apart
    assert seeds_needed(found, 0.1, 100) is None
    with pytest.raises(ValueError, match="shared images"):
        components(np.ones((2, 5)), np.ones((2, 6)))


@pytest.mark.parametrize(
    ("delta", "seeds", "n"), [(0.03, 3, 100), (0.03, 6, 100), (0.02, 4, 400), (0.03, 1, 300), (0.0, 3, 100)]
)
def test_predicted_power_is_that_of_whole_experiments(delta: float, seeds: int, n: int) -> None:
    rng = np.random.default_rng(2)
    known = KNOWN if seeds > 1 else Components(0.0, KNOWN.images, KNOWN.rest)
    wins = [_found(_experiment(rng, known, delta, seeds, n), delta or 1.0) for _ in range(600)]
    expected = float(np.mean(wins))
    slack = 3 * math.sqrt(0.25 / 600)
    found = power(known, delta or 1e-12, seeds, n)
    assert found == pytest.approx(expected, abs=slack)
    assert delta == 0.0 or 0.05 < found < 0.999  # a comparison that means something


def test_needs_are_the_smallest_that_reach_the_power() -> None:
    seeds = seeds_needed(KNOWN, 0.03, 200)
    assert seeds is not None
    assert power(KNOWN, 0.03, seeds, 200) >= 0.8 > power(KNOWN, 0.03, seeds - 1, 200)
    images = images_needed(KNOWN, 0.03, 6)
    assert images is not None
    assert power(KNOWN, 0.03, 6, images) >= 0.8 > power(KNOWN, 0.03, 6, images - 1)
    smallest = detectable(KNOWN, 6, images)
    assert smallest == pytest.approx(0.03, rel=0.03)


def test_where_seeds_are_the_limit_no_number_of_images_helps() -> None:
    noisy = Components(seeds=1.0, images=1.0, rest=0.0)
    assert images_needed(noisy, 0.5, 3) is None
    assert seeds_needed(noisy, 0.01, 10) is None
    quiet = Components(seeds=0.0, images=0.0, rest=0.0)
    assert power(quiet, 0.1, 3, 10) == 1.0
    assert detectable(quiet, 3, 10) == 0.0


def test_more_comparisons_need_more() -> None:
    assert power(KNOWN, 0.03, 6, 100, comparisons=45) < power(KNOWN, 0.03, 6, 100)
    assert detectable(KNOWN, 6, 100, comparisons=45) > detectable(KNOWN, 6, 100)


def _output(out: Path, seeds: int) -> dict[str, list[Floats]]:
    """Records of two variants with SSIM, a set distance and an IoU; what `image_values` must find of them."""
    rng = np.random.default_rng(3)
    data = {"name": "d", "direction": "a2b", "test_n": 50, "test_fingerprint": "f"}
    held = {"ssim": _experiment(rng, KNOWN, 0.05, seeds, 50), "fid": _experiment(rng, KNOWN, -0.2, seeds, 50)}
    for place, label in enumerate(("l1", "gan")):
        for seed in range(seeds):
            ssim, fid = (held[key][place][seed] for key in ("ssim", "fid"))
            matrices = rng.poisson([[40, 6], [5, 20]], size=(50, 2, 2)).astype(float)
            iou = float(scores_from_confusion(matrices.sum(0), ABSENT_LEFT_OUT)[2])
            values = {"ssim": ssim.mean(), "fid": fid.mean(), "label_class_iou": iou}
            goals = {"ssim": "max", "fid": "min", "label_class_iou": "max"}
            record = RunRecord(
                id=f"{label}-{seed}", kind="run", label=label, status="finished",
                spec={"data": data, "seed": seed, "training": {"size_px": 64}, "variant": {"name": label}},
                results={k: MetricResult(k, float(v), goals[k], 50, {}) for k, v in values.items()},
            )  # fmt: skip
            names = [str(index) for index in range(50)]
            conf = [matrix.ravel() for matrix in matrices]
            table = pd.DataFrame({"name": names, "ssim": ssim, "fid_pseudo": fid, "label_conf": conf})
            write_record(out, record, table.iloc[rng.permutation(50)])
    return held


def test_plans_from_records(tmp_path: Path) -> None:
    held = _output(tmp_path, 3)
    found = {plan.column.info.key: plan for plan in plans(tmp_path)}
    assert set(found) == {"ssim", "fid", "label_class_iou"}
    for key in ("ssim", "fid"):
        expected = components(*held[key])
        assert found[key].found.seeds == pytest.approx(expected.seeds)
        assert found[key].found.images == pytest.approx(expected.images)
        gap = abs(float(held[key][0].mean() - held[key][1].mean()))
        assert (found[key].seeds, found[key].images, found[key].gap) == (3, 50, pytest.approx(gap))
    assert "rough guide" in found["fid"].notes[0]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _output(tmp_path, 3)
    assert cli.invoke(["power", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "SSIM" in shown
    assert "needed" in shown
    assert cli.invoke(["power", str(tmp_path), "--metric", "ssim", "--difference", "0.03"]) == 0
    shown = capsys.readouterr().out
    assert "chance to find a difference of 0.03" in shown
    assert "N = 100" in shown
    assert "For 80 %" in shown


def test_command_with_one_seed_says_what_it_cannot_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _output(tmp_path, 1)
    assert cli.invoke(["power", str(tmp_path), "--metric", "ssim"]) == 0
    shown = capsys.readouterr().out
    assert "One seed a variant" in shown
    assert "For 80 %: ? seeds" in shown


def test_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _output(tmp_path, 2)
    assert cli.invoke(["power", str(tmp_path), "--difference", "0.1"]) == 2
    assert "expected --metric KEY with --difference" in capsys.readouterr().err
    assert cli.invoke(["power", str(tmp_path), "--metric", "sim"]) == 2
    assert "ssim" in capsys.readouterr().err
    assert cli.invoke(["power", str(tmp_path / "none")]) == 2
    for file in (tmp_path / "records").glob("*.parquet"):
        file.unlink()
    assert cli.invoke(["power", str(tmp_path)]) == 2
    assert "two variants with values by image" in capsys.readouterr().err

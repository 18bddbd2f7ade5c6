"""What the gate takes for noise: seeds and images together, against formulas and simulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gate_records import check_outs, decide_by, result, run, write_baseline, write_seeds
from numpy.typing import NDArray
from scipy import stats

from bench.cli.main import invoke
from bench.gate.outcome import Verdict
from bench.gate.tolerances import Tolerance
from bench.records.record import read_per_image, read_records, write_record

N = 50
HARD = np.random.default_rng(0).normal(0, 0.1, N)  # some images are harder for everybody


def seeds(number: int, mean: float, *, between: float = 0.01, within: float = 0.01, first: int = 0) -> dict:
    """Columns of `number` seeds: image + seed + noise."""
    found = {}
    for seed in range(first, first + number):
        rng = np.random.default_rng([seed, 7])
        found[seed] = {"ssim": mean + HARD + rng.normal(0, between) + rng.normal(0, within, N)}
    return found


def verdict(tmp_path: Path, before: dict, after: dict, goal: object = "max", **settings: object) -> Verdict:
    outs = [
        write_seeds(tmp_path / side, given, {"ssim": goal}) for side, given in (("a", before), ("b", after))
    ]
    (found,) = check_outs(tmp_path, *outs, **settings).verdicts
    return found


def test_one_seed_a_side_is_decided_by_paired_images_and_says_what_it_cannot_see(tmp_path: Path) -> None:
    before, after = seeds(1, 0.5), {0: seeds(1, 0.45, first=1)[1]}
    found = verdict(tmp_path, before, after)
    assert (found.state, found.basis) == ("regressed", "images")
    assert "one seed a side and no stored spread" in found.note
    gaps = after[0]["ssim"] - before[0]["ssim"]
    by_t = stats.ttest_1samp(gaps, 0, alternative="less").pvalue
    assert np.log10(found.p_value) == pytest.approx(np.log10(by_t), rel=0.15)
    assert found.interval is not None
    assert found.interval[0] < gaps.mean() < found.interval[1] < 0


def test_nothing_is_said_of_seeds_where_nothing_was_trained(tmp_path: Path) -> None:
    """Images from a folder have no seed: the gate speaks of the test images alone."""
    outs = []
    for side, mean in (("a", 0.5), ("b", 0.45)):
        out = write_seeds(tmp_path / side, seeds(1, mean), {"ssim": "max"})
        (record,) = read_records(out)
        spec = {name: held for name, held in record.spec.items() if name != "seed"}
        given = replace(record, spec={**spec, "training": {"size_px": 64}, "predictions": side})
        write_record(out, given, read_per_image(out, record))
        outs.append(out)
    outcome = check_outs(tmp_path, *outs)
    (found,) = outcome.verdicts
    assert (found.state, found.basis) == ("regressed", "images")
    assert "seed" not in " ".join([found.note, *outcome.notes])


def test_another_seed_alone_is_no_regression_but_undecided(tmp_path: Path) -> None:
    for mean, state in ((0.3, "incomparable"), (0.7, "pass")):
        found = verdict(tmp_path, seeds(1, 0.5), seeds(1, mean, first=1))
        assert found.state == state
        assert "another seed alone can do this" in found.note


def test_seeds_are_decided_by_students_test_of_pooled_variance(tmp_path: Path) -> None:
    before, after = seeds(4, 0.5), seeds(3, 0.48, first=4)
    found = verdict(tmp_path, before, after)
    means = [[columns["ssim"].mean() for columns in side.values()] for side in (before, after)]
    expected = stats.ttest_ind(means[1], means[0], alternative="less").pvalue
    assert found.p_value == pytest.approx(expected)
    assert (found.basis, found.seeds) == ("seeds+images", (4, 3))


def test_images_can_be_what_hinders_a_verdict(tmp_path: Path) -> None:
    """Seeds that agree to the last digit, on images of which half lose and half win."""
    swing = np.where(np.arange(N) % 2 == 0, 0.3, -0.29)
    before = {s: {"ssim": 0.5 + HARD + 1e-6 * s} for s in range(3)}
    after = {s: {"ssim": 0.5 + HARD - swing + 1e-6 * s} for s in range(3)}
    found = verdict(tmp_path, before, after)
    assert (found.state, found.delta) == ("pass", pytest.approx(-0.005))
    assert "within the noise" in found.note


def test_the_spread_a_baseline_keeps_stands_in_for_seeds(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    for count, state in ((1, "regressed"), (5, "pass")):  # without and with knowledge of the seeds' spread
        values = [0.5, 0.42, 0.58, 0.46, 0.54][:count]
        write_baseline([run(result("ssim", v, interval=(v - 0.01, v + 0.01)), seed=s)
                        for s, v in enumerate(values)], path)  # fmt: skip
        found = decide_by(path, [run(result("ssim", 0.44, interval=(0.43, 0.45)))]).verdicts[0]
        assert (found.state, found.basis) == (state, "intervals" if count == 1 else "seeds")


@pytest.mark.parametrize(("before", "after", "worse"), [(0.8, 0.7, 0.1), (0.9, 1.3, 0.2), (1.1, 0.7, 0.2)])
def test_a_target_is_tested_by_distances_even_across_it(
    tmp_path: Path, before: float, after: float, worse: float
) -> None:
    found = verdict(tmp_path, seeds(3, before), seeds(3, after, first=3), 1.0)
    assert found.state == "regressed"
    assert found.basis == "seeds+images"
    assert ("crossed its target" in found.note) == (before < 1 < after or after < 1 < before)
    assert (found.interval is None) == ("crossed" in found.note)
    same = verdict(tmp_path / "same", seeds(3, before), seeds(3, 2 - before, first=3), 1.0)
    assert same.state == "pass"  # as far from it on the other side


def test_a_gate_that_cannot_see_what_it_forbids_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Seeds that differ by 0.05 cannot tell 0.01 from chance, and can tell 0.5."""
    rng = np.random.default_rng(7)
    columns = {s: {"ssim": 0.5 + HARD + rng.normal(0, 0.05), "psnr": 20 + HARD + s / 1000} for s in range(6)}
    for side, first in (("a", 0), ("b", 3)):
        given = {s: columns[s] for s in range(first, first + 3)}
        write_seeds(tmp_path / side, given, {"ssim": "max", "psnr": "max"})
    tolerances = {"ssim": Tolerance(absolute=0.01), "psnr": Tolerance(absolute=0.5)}
    found = check_outs(tmp_path, tmp_path / "a", tmp_path / "b", tolerances=tolerances)
    assert (found.exit_code, found.tests, found.blind, found.to_json()["blind"]) == (0, 2, 1, 1)
    said = "in 1 of 2 tests the noise exceeds what is allowed: smaller regressions cannot be seen"
    assert found.notes == (f"{said} (docs/gates.md)",)
    arguments = ["check", str(tmp_path / "b"), "--baseline", str(tmp_path / "gate.json")]
    assert invoke([*arguments, "--markdown", str(tmp_path / "gate.md")]) == 0
    assert said[1:] in " ".join(capfd.readouterr().out.split())
    assert said[1:] in (tmp_path / "gate.md").read_text()
    wide = {**tolerances, "ssim": Tolerance(absolute=0.5)}
    found = check_outs(tmp_path, tmp_path / "a", tmp_path / "b", tolerances=wide)
    assert (found.blind, found.notes) == (0, ())


def test_a_small_p_value_is_shown_with_the_level_it_is_held_against(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A p-value below 0.05 that is no regression, since alpha is 0.02."""
    spread = (-0.012, 0.0, 0.012)
    for side, mean, first in (("a", 0.5, 0), ("b", 0.475, 3)):
        columns = {first + i: {"ssim": mean + HARD + d} for i, d in enumerate(spread)}
        write_seeds(tmp_path / side, columns, {"ssim": "max"})
    (found,) = check_outs(tmp_path, tmp_path / "a", tmp_path / "b").verdicts
    assert found.p_value is not None
    assert 0.02 < found.p_value < 0.05
    assert found.note == f"within the noise (p = {found.p_value:.2g}, counts at 0.02 or less)"
    capfd.readouterr()
    assert invoke(["check", str(tmp_path / "b"), "--baseline", str(tmp_path / "gate.json")]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "p of 0.02 or less, corrected (Holm) over 1 test." in said


def test_all_tests_of_an_invocation_are_corrected_together(tmp_path: Path) -> None:
    """A change that one test alone would call a regression is none among forty."""

    def out(side: str, shift: float, first: int) -> Path:
        rng = np.random.default_rng([first, 3])
        names = ["ssim", *(f"m{i}" for i in range(39))]
        columns = {
            s: {name: 0.5 + HARD + rng.normal(0, 0.01) + rng.normal(0, 0.01, N) for name in names}
            for s in range(first, first + 3)
        }
        for s, values in columns.items():
            values["ssim"] = 0.5 + HARD - shift + 0.004 * (s % 3) + rng.normal(0, 1e-4, N)
        return write_seeds(tmp_path / side, columns, dict.fromkeys(names, "max"))

    sides = out("a", 0.0, 0), out("b", 0.02, 3)
    tolerances = {"*": Tolerance(absolute=0.001)}
    (alone,) = check_outs(tmp_path, *sides, metrics=("ssim",), tolerances=tolerances).verdicts
    assert alone.state == "regressed"
    among = check_outs(tmp_path, *sides, tolerances=tolerances)
    assert among.tests == 40
    found = next(v for v in among.verdicts if v.metric == "ssim")
    assert (found.state, found.p_value) == ("pass", pytest.approx(40 * alone.p_value))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_change_of_seeds_alone_alarms_in_at_most_two_of_a_hundred(count: int) -> None:
    """The whole rule, without tolerance, on eight metrics that share their seeds' noise."""
    from bench.gate.baseline import Baseline
    from bench.gate.decide import row_verdicts
    from bench.gate.rows import GateCell, GateRow
    from bench.gate.tolerances import Settings

    rng = np.random.default_rng(count)

    def row(values: NDArray[np.float64]) -> GateRow:
        metrics = {
            f"m{i}": GateCell(tuple(map(float, column)), n=(N,) * count) for i, column in enumerate(values)
        }
        return GateRow("run", tuple(range(count)), "f00d", metrics)

    alarms, trials = 0, 600
    for _ in range(trials):
        shared = rng.normal(size=(2, 1, count))
        values = 0.5 + 0.01 * (shared + rng.normal(size=(2, 8, count)))
        outcome = row_verdicts({"r": row(values[1])}, {}, Baseline({"r": row(values[0])}, {}), Settings())
        alarms += outcome.exit_code == 1
    assert alarms / trials <= 0.02 + 3 * np.sqrt(0.02 * 0.98 / trials)
    assert alarms  # it can alarm at all

"""Verdicts: every state, both kinds of tolerance, targets, protocols, and what the caller allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_records import (
    EXACT,
    PROTOCOL,
    ROW,
    decide,
    decide_by,
    only,
    outcome,
    reference,
    result,
    run,
    write_baseline,
)

from bench.core.errors import UsageError
from bench.gate.baseline import read_baseline
from bench.gate.outcome import ALL_ROWS, WHOLE_ROW, Verdict
from bench.gate.tolerances import Tolerance
from bench.records.record import RunRecord


def test_equal_records_pass_even_without_any_tolerance(tmp_path: Path) -> None:
    value = 0.1 + 0.2  # no decimal fraction: must survive the file exactly
    verdict = only(tmp_path, result("ssim", value), result("ssim", value), tolerances=EXACT)
    assert verdict == Verdict("ssim", ROW, value, value, 0.0, 0.0, "pass", seeds=(1, 1))
    assert outcome([verdict]).exit_code == 0


@pytest.mark.parametrize(
    ("goal", "measured", "state"),
    [
        ("max", 0.40, "regressed"), ("max", 0.60, "improved"), ("max", 0.49, "pass"), ("max", 0.51, "pass"),
        ("min", 0.60, "regressed"), ("min", 0.40, "improved"), ("min", 0.51, "pass"), ("min", 0.49, "pass"),
    ],
)  # fmt: skip
def test_goal_decides_which_way_is_worse(tmp_path: Path, goal: str, measured: float, state: str) -> None:
    before, after = result("ssim", 0.5, goal), result("ssim", measured, goal)
    verdict = only(tmp_path, before, after, tolerances={"ssim": Tolerance(absolute=0.02)})
    assert verdict.state == state
    assert verdict.delta == pytest.approx(measured - 0.5)
    assert outcome([verdict]).exit_code == (1 if state == "regressed" else 0)


@pytest.mark.parametrize(
    ("tolerance", "allowed"),
    [(Tolerance(absolute=2.0), 2.0), (Tolerance(relative=0.1), 4.0), (Tolerance(5.0, 0.1), 5.0)],
)
def test_tolerance_is_the_larger_of_absolute_and_relative(
    tmp_path: Path, tolerance: Tolerance, allowed: float
) -> None:
    for excess, state in ((-0.01, "pass"), (0.01, "regressed")):
        before, after = result("fid", 40.0, "min"), result("fid", 40.0 + allowed + excess, "min")
        verdict = only(tmp_path, before, after, tolerances={"fid": tolerance})
        assert (verdict.state, verdict.tolerance) == (state, allowed)


def test_relative_tolerance_takes_the_size_of_a_negative_baseline(tmp_path: Path) -> None:
    verdict = only(
        tmp_path, result("kid", -0.1, "min"), result("kid", -0.095, "min"),
        tolerances={"kid": Tolerance(relative=0.1)},
    )  # fmt: skip
    assert (verdict.state, verdict.tolerance) == ("pass", pytest.approx(0.01))


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        (0.9, 0.7, "regressed"),  # blurrier
        (0.9, 1.3, "regressed"),  # noisier, across the target
        (1.1, 1.3, "regressed"),
        (0.7, 0.9, "improved"),
        (1.3, 1.1, "improved"),
        (0.8, 1.2, "pass"),  # as far from the target on its other side
    ],
)
def test_a_target_is_decided_by_the_distance_on_both_sides(
    tmp_path: Path, before: float, after: float, state: str
) -> None:
    verdict = only(
        tmp_path, result("hf_ratio", before, 1.0), result("hf_ratio", after, 1.0),
        tolerances={"hf_ratio": Tolerance(absolute=0.05)},
    )  # fmt: skip
    assert verdict.state == state


def test_a_worsening_within_the_interval_over_images_is_noise(tmp_path: Path) -> None:
    before = result("ssim", 0.50, interval=(0.47, 0.53))
    within = result("ssim", 0.46, interval=(0.42, 0.50))
    verdict = only(tmp_path, before, within, tolerances=EXACT)
    assert (verdict.state, verdict.basis, "within the noise" in verdict.note) == ("pass", "intervals", True)
    assert verdict.noise == pytest.approx(2.398 * 0.05 / 1.96, rel=1e-3)  # t(0.98, 9) * hypot(0.03, 0.04)
    assert only(tmp_path, before, replace(within, value=0.43), tolerances=EXACT).state == "regressed"


def test_the_spread_over_seeds_goes_before_the_interval(tmp_path: Path) -> None:
    def seeds(*values: float) -> list[RunRecord]:
        return [run(result("ssim", v, interval=(0.0, 1.0)), seed=s) for s, v in enumerate(values)]

    noisy = seeds(0.4, 0.5, 0.6)
    (verdict,) = decide(tmp_path, noisy, seeds(0.3, 0.4, 0.5), tolerances=EXACT)
    assert verdict.state == "pass"
    assert (verdict.basis, verdict.seeds) == ("seeds", (3, 3))
    assert verdict.noise == pytest.approx(2.999 * 0.0816, rel=1e-3)  # t(0.98, 4) * sqrt(0.01 * (1/3 + 1/3))
    (verdict,) = decide(tmp_path, seeds(0.49, 0.50, 0.51), seeds(0.39, 0.40, 0.41), tolerances=EXACT)
    assert (verdict.state, verdict.baseline, verdict.measured) == ("regressed", 0.5, pytest.approx(0.4))
    (verdict,) = decide(tmp_path, noisy, seeds(0.45), tolerances=EXACT)  # a spread on one side is enough
    assert verdict.state == "pass"


def test_reference_rows_are_compared_and_have_no_noise(tmp_path: Path) -> None:
    before = reference(result("ssim", 0.50, interval=(0.3, 0.7)))
    (verdict,) = decide(tmp_path, [before], [reference(result("ssim", 0.45, interval=(0.25, 0.65)))])
    assert (verdict.row, verdict.state) == ("toycity/labels2photo/64px/real", "regressed")


def test_a_missing_metric_is_its_own_state(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("psnr", 20.0))]
    missing, passed = decide(tmp_path, before, [run(result("ssim", None), result("psnr", 20.0))])
    assert (missing.state, missing.baseline, missing.measured, missing.note) == (
        "missing", 0.5, None, "no weights",
    )  # fmt: skip
    assert passed.state == "pass"
    assert outcome([missing, passed]).exit_code == 3
    gone, _ = decide(tmp_path, before, [run(result("psnr", 20.0))])
    assert (gone.state, gone.metric) == ("missing", "ssim")


def test_a_value_that_one_seed_lacks_is_missing(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), seed=seed) for seed in (0, 1)]
    (verdict,) = decide(tmp_path, before, [run(result("ssim", 0.5)), run(result("ssim", None), seed=1)])
    assert verdict.state == "missing"


def test_what_had_no_value_in_the_baseline_is_new_or_nothing(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("fid", None, "min"))]
    verdicts = decide(tmp_path, before, [run(result("ssim", 0.5), result("fid", 30.0, "min"))])
    assert [(v.metric, v.state) for v in verdicts] == [("fid", "new"), ("ssim", "pass")]
    assert outcome(verdicts).exit_code == 0
    verdicts = decide(tmp_path, before, before)
    assert [v.metric for v in verdicts] == ["ssim"]


def test_rows_on_one_side_only(tmp_path: Path) -> None:
    shared, old, new = (run(result("ssim", 0.5), label=label) for label in ("l1", "gan", "cgan"))
    verdicts = decide(tmp_path, [shared, old], [shared, new])
    assert [(v.state, v.row.rsplit("/")[-1]) for v in verdicts] == [
        ("missing", "gan"), ("new", "cgan"), ("pass", "l1"),
    ]  # fmt: skip
    assert outcome(verdicts).exit_code == 3


def test_nothing_in_common_is_a_state_that_names_both(tmp_path: Path) -> None:
    empty, new = decide(tmp_path, [run(result("ssim", 0.5))], [run(result("ssim", 0.5), label="gan")])
    assert (empty.state, empty.row, new.state) == ("empty", ALL_ROWS, "new")
    assert "the baseline has" in empty.note
    assert "steps/l1; the records have toycity/labels2photo/64px/100 steps/gan" in empty.note
    assert outcome([empty, new]).exit_code == 3


@pytest.mark.parametrize("state", ["missing", "incomparable", "empty"])
def test_what_is_undecided_passes_only_where_it_is_allowed_by_name(tmp_path: Path, state: str) -> None:
    path = tmp_path / "baseline.json"
    write_baseline([run(result("ssim", 0.5), result("psnr", 20.0))], path)
    after = {
        "missing": run(result("ssim", 0.5)),
        "incomparable": run(result("ssim", 0.5), result("psnr", 20.0, protocol={"version": 2})),
        "empty": run(result("ssim", 0.5), label="gan"),
    }[state]
    assert decide_by(path, [after]).exit_code == 3
    others = {"missing", "incomparable", "empty"} - {state}
    assert decide_by(path, [after], allow=tuple(others)).exit_code == 3
    allowed = decide_by(path, [after], allow=(state,))
    assert allowed.exit_code == 0
    assert f"1 {state} (allowed)" in allowed.summary
    worse = [run(result("ssim", 0.1))]
    assert decide_by(path, worse, allow=("missing", "incomparable", "empty")).exit_code == 1


def test_only_the_metrics_that_are_named_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline([run(result("ssim", 0.5), result("psnr", 20.0))], path)
    found = decide_by(path, [run(result("ssim", 0.1), result("psnr", 20.0))], metrics=("psnr",))
    assert [(v.metric, v.state) for v in found.verdicts] == [("psnr", "pass")]
    with pytest.raises(UsageError, match="did you mean 'psnr'"):
        decide_by(path, [run(result("ssim", 0.1))], metrics=("psnrr",))


def test_what_is_checked_on_both_sides_may_not_grow_either(tmp_path: Path) -> None:
    for value, state in ((3.5, "regressed"), (6.5, "regressed"), (5.5, "pass")):
        after = result("diversity", value, interval=(value - 0.1, value + 0.1))
        verdict = only(tmp_path, result("diversity", 5.0, interval=(4.9, 5.1)), after)
        assert (verdict.metric, verdict.state) == ("diversity", state)


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_that_did_not_finish_is_missing_with_its_error(tmp_path: Path, status: Any) -> None:
    broken = run(status=status, error="out of memory")
    (verdict,) = decide(tmp_path, [run(result("ssim", 0.5))], [broken])
    assert (verdict.state, verdict.metric) == ("missing", WHOLE_ROW)
    assert status in verdict.note
    assert "out of memory" in verdict.note
    assert outcome([verdict]).exit_code == 3


def test_a_differing_protocol_is_incomparable_and_names_the_field(tmp_path: Path) -> None:
    other = {"version": 1, "judge": {"name": "fcn-small", "hash": "bbbb"}}
    before, after = result("ssim", 0.5), result("ssim", 0.1, protocol=other)
    verdict = only(tmp_path, before, after)
    assert verdict.state == "incomparable"
    assert "judge.hash (aaaa in the baseline, bbbb here)" in verdict.note
    assert "judge.name" not in verdict.note
    assert (verdict.tolerance, outcome([verdict]).exit_code) == (None, 3)
    extra = only(tmp_path, before, result("ssim", 0.5, protocol={**PROTOCOL, "resize": "area"}))
    assert "resize (none in the baseline, area here)" in extra.note


@pytest.mark.parametrize("pattern", ["judge.hash", "judge", "*.hash"])
def test_ignored_protocol_fields_may_differ_and_are_named(tmp_path: Path, pattern: str) -> None:
    other = {"version": 1, "judge": {"name": "fcn-small", "hash": "bbbb"}}
    verdict = only(tmp_path, result("ssim", 0.5), result("ssim", 0.5, protocol=other), ignore=[pattern])
    assert (verdict.state, verdict.note) == ("pass", "ignored: judge.hash")
    assert read_baseline(tmp_path / "baseline.json").ignore_protocol == (pattern,)
    newer = {**other, "version": 2}
    verdict = only(tmp_path, result("ssim", 0.5), result("ssim", 0.5, protocol=newer), ignore=[pattern])
    assert verdict.state == "incomparable"
    assert "version" in verdict.note


def test_a_protocol_with_tuples_survives_the_file(tmp_path: Path) -> None:
    value = result("ssim", 0.5, protocol={"ranges": ((0, 100), (-128, 127))})
    assert only(tmp_path, value, value).state == "pass"


@pytest.mark.parametrize("metric", ["fid", "kid", "fd_lite0"])
def test_distances_of_another_n_are_incomparable(tmp_path: Path, metric: str) -> None:
    verdict = only(tmp_path, result(metric, 5.0, "min", n=100), result(metric, 5.0, "min", n=50))
    assert verdict.state == "incomparable"
    assert "n (100 in the baseline, 50 here)" in verdict.note


def test_means_of_another_n_compare_but_not_on_other_images(tmp_path: Path) -> None:
    before, after = result("ssim", 0.5, n=100), result("ssim", 0.5, n=50)
    assert only(tmp_path, before, after).state == "pass"
    record = run(after)
    spec = {**record.spec, "data": {**record.spec["data"], "test_fingerprint": "beef"}}
    (verdict,) = decide(tmp_path, [run(before)], [replace(record, spec=spec)])
    assert verdict.state == "incomparable"
    assert "test images (f00d in the baseline, beef here)" in verdict.note


@pytest.mark.parametrize(
    ("files", "pixels", "state"),
    [("beef", ("77", "77"), "pass"), ("f00d", ("77", "88"), "incomparable"), ("f00d", ("77", None), "pass")],
)
def test_test_images_are_told_by_their_pixels_where_both_sides_have_them(
    tmp_path: Path, files: str, pixels: tuple[str | None, str | None], state: str
) -> None:
    records = []
    for of, seen in zip(("f00d", files), pixels, strict=True):
        record = run(result("ssim", 0.5))
        spec = {**record.spec, "data": {**record.spec["data"], "test_fingerprint": of}}
        records.append(replace(record, spec=spec, details={"data": {"test_pixels": seen}}))
    (verdict,) = decide(tmp_path, records[:1], records[1:])
    assert verdict.state == state


def test_a_metric_whose_goal_changed_is_incomparable(tmp_path: Path) -> None:
    assert only(tmp_path, result("hf_ratio", 0.5, 1.0), result("hf_ratio", 0.5)).state == "incomparable"


def test_a_regression_outranks_what_cannot_be_compared(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("psnr", 20.0))]
    verdicts = decide(tmp_path, before, [run(result("ssim", 0.1), result("psnr", None))])
    assert [verdict.state for verdict in verdicts] == ["regressed", "missing"]
    assert outcome(verdicts).exit_code == 1
    assert outcome(verdicts).summary == "1 regressed, 1 missing"

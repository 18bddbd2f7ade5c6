"""The gate: every state, both kinds of tolerance, targets, noise, and files it must refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import regress
from bench.baseline import DEFAULT_TOLERANCES, Tolerance, read_baseline
from bench.errors import NotComparableError, UsageError
from bench.metrics.catalogue import CATALOGUE
from bench.records import MetricResult, RunRecord, read_records, write_record

ROW = "toycity/labels2photo/64px/100 steps/l1"
PROTOCOL = {"version": 1, "scorer": {"name": "fcn-small", "hash": "aaaa"}}


def result(name: str, value: float | None, goal: Any = "max", n: int = 10, **more: Any) -> MetricResult:
    reason = "no weights" if value is None else None
    return MetricResult(name, value, goal, n, more.pop("protocol", PROTOCOL), reason=reason, **more)


def run(*results: MetricResult, label: str = "l1", seed: int = 0, **more: Any) -> RunRecord:
    data = {"name": "toycity", "direction": "labels2photo", "source": "paired", "test_fingerprint": "f00d"}
    spec = {"data": data, "seed": seed, "training": {"size_px": 64, "steps": 100, "batch_size": 1}}
    by_name = {entry.name: entry for entry in results}
    return RunRecord(f"{label}-s{seed}", "run", label, spec, more.pop("status", "finished"), by_name, **more)


def reference(*results: MetricResult, label: str = "real") -> RunRecord:
    record = run(*results, label=label)
    spec = {"data": record.spec["data"], "training": {"size_px": 64}, "row": label}
    return replace(record, kind="reference", id=label, spec=spec)


def judge(
    tmp_path: Path, before: list[RunRecord], after: list[RunRecord], **options: Any
) -> list[regress.Verdict]:
    path = tmp_path / "baseline.json"
    regress.write_baseline(before, path, **options)
    return regress.check(after, path)


def only(tmp_path: Path, before: MetricResult, after: MetricResult, **options: Any) -> regress.Verdict:
    (verdict,) = judge(tmp_path, [run(before)], [run(after)], **options)
    return verdict


EXACT = {"ssim": Tolerance()}


def test_equal_records_pass_even_without_any_tolerance(tmp_path: Path) -> None:
    value = 0.1 + 0.2  # no decimal fraction: must survive the file exactly
    verdict = only(tmp_path, result("ssim", value), result("ssim", value), tolerances=EXACT)
    assert verdict == regress.Verdict("ssim", ROW, value, value, 0.0, 0.0, "pass")
    assert regress.exit_code([verdict]) == 0


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
    assert regress.exit_code([verdict]) == (1 if state == "regressed" else 0)


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
def test_a_target_is_judged_by_the_distance_on_both_sides(
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
    assert (verdict.state, "within the noise (0.05)" in verdict.note) == ("pass", True)  # hypot(0.03, 0.04)
    assert only(tmp_path, before, replace(within, value=0.44), tolerances=EXACT).state == "regressed"


def test_the_spread_over_seeds_goes_before_the_interval(tmp_path: Path) -> None:
    def seeds(*values: float) -> list[RunRecord]:
        return [run(result("ssim", v, interval=(0.0, 1.0)), seed=s) for s, v in enumerate(values)]

    noisy = seeds(0.4, 0.5, 0.6)
    (verdict,) = judge(tmp_path, noisy, seeds(0.3, 0.4, 0.5), tolerances=EXACT)
    assert verdict.state == "pass"
    assert "0.227" in verdict.note  # t(0.975, 4) * sqrt(0.01 * (1/3 + 1/3)) = 2.776 * 0.0816
    (verdict,) = judge(tmp_path, seeds(0.49, 0.50, 0.51), seeds(0.39, 0.40, 0.41), tolerances=EXACT)
    assert (verdict.state, verdict.baseline, verdict.measured) == ("regressed", 0.5, pytest.approx(0.4))
    (verdict,) = judge(tmp_path, noisy, seeds(0.45), tolerances=EXACT)  # a spread on one side is enough
    assert verdict.state == "pass"


def test_reference_rows_are_compared_and_have_no_noise(tmp_path: Path) -> None:
    before = reference(result("ssim", 0.50, interval=(0.3, 0.7)))
    (verdict,) = judge(tmp_path, [before], [reference(result("ssim", 0.45, interval=(0.25, 0.65)))])
    assert (verdict.row, verdict.state) == ("toycity/labels2photo/64px/real", "regressed")


def test_a_missing_metric_is_its_own_state(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("psnr", 20.0))]
    missing, passed = judge(tmp_path, before, [run(result("ssim", None), result("psnr", 20.0))])
    assert (missing.state, missing.baseline, missing.measured, missing.note) == (
        "missing", 0.5, None, "no weights",
    )  # fmt: skip
    assert passed.state == "pass"
    assert regress.exit_code([missing, passed]) == 3
    gone, _ = judge(tmp_path, before, [run(result("psnr", 20.0))])
    assert (gone.state, gone.metric) == ("missing", "ssim")


def test_a_value_that_one_seed_lacks_is_missing(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), seed=seed) for seed in (0, 1)]
    (verdict,) = judge(tmp_path, before, [run(result("ssim", 0.5)), run(result("ssim", None), seed=1)])
    assert verdict.state == "missing"


def test_what_had_no_value_in_the_baseline_is_new_or_nothing(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("fid", None, "min"))]
    verdicts = judge(tmp_path, before, [run(result("ssim", 0.5), result("fid", 30.0, "min"))])
    assert [(v.metric, v.state) for v in verdicts] == [("fid", "new"), ("ssim", "pass")]
    assert regress.exit_code(verdicts) == 0
    verdicts = judge(tmp_path, before, before)
    assert [v.metric for v in verdicts] == ["ssim"]


def test_rows_on_one_side_only(tmp_path: Path) -> None:
    shared, old, new = (run(result("ssim", 0.5), label=label) for label in ("l1", "gan", "cgan"))
    verdicts = judge(tmp_path, [shared, old], [shared, new])
    assert [(v.state, v.row.rsplit("/")[-1]) for v in verdicts] == [
        ("missing", "gan"), ("new", "cgan"), ("pass", "l1"),
    ]  # fmt: skip
    assert regress.exit_code(verdicts) == 3


def test_nothing_in_common_is_an_error_that_names_both(tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match=r"steps/l1; the records have .*steps/gan") as caught:
        judge(tmp_path, [run(result("ssim", 0.5))], [run(result("ssim", 0.5), label="gan")])
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_that_did_not_finish_is_missing_with_its_error(tmp_path: Path, status: Any) -> None:
    broken = run(status=status, error="out of memory")
    (verdict,) = judge(tmp_path, [run(result("ssim", 0.5))], [broken])
    assert (verdict.state, verdict.metric) == ("missing", regress.WHOLE_ROW)
    assert status in verdict.note
    assert "out of memory" in verdict.note
    assert regress.exit_code([verdict]) == 3


def test_a_differing_protocol_is_incomparable_and_names_the_field(tmp_path: Path) -> None:
    other = {"version": 1, "scorer": {"name": "fcn-small", "hash": "bbbb"}}
    before, after = result("ssim", 0.5), result("ssim", 0.1, protocol=other)
    verdict = only(tmp_path, before, after)
    assert verdict.state == "incomparable"
    assert "scorer.hash (aaaa in the baseline, bbbb here)" in verdict.note
    assert "scorer.name" not in verdict.note
    assert (verdict.tolerance, regress.exit_code([verdict])) == (None, 3)
    extra = only(tmp_path, before, result("ssim", 0.5, protocol={**PROTOCOL, "resize": "area"}))
    assert "resize (none in the baseline, area here)" in extra.note


@pytest.mark.parametrize("pattern", ["scorer.hash", "scorer", "*.hash"])
def test_ignored_protocol_fields_may_differ_and_are_named(tmp_path: Path, pattern: str) -> None:
    other = {"version": 1, "scorer": {"name": "fcn-small", "hash": "bbbb"}}
    verdict = only(
        tmp_path, result("ssim", 0.5), result("ssim", 0.5, protocol=other), ignore_protocol=[pattern]
    )
    assert (verdict.state, verdict.note) == ("pass", "ignored: scorer.hash")
    assert read_baseline(tmp_path / "baseline.json").ignore_protocol == (pattern,)
    newer = {**other, "version": 2}
    verdict = only(
        tmp_path, result("ssim", 0.5), result("ssim", 0.5, protocol=newer), ignore_protocol=[pattern]
    )
    assert verdict.state == "incomparable"
    assert "version" in verdict.note


def test_a_protocol_with_tuples_survives_the_file(tmp_path: Path) -> None:
    value = result("ssim", 0.5, protocol={"ranges": ((0, 100), (-128, 127))})
    assert only(tmp_path, value, value).state == "pass"


@pytest.mark.parametrize("metric", ["fid", "kid", "fd_scorer"])
def test_distances_of_another_n_are_incomparable(tmp_path: Path, metric: str) -> None:
    verdict = only(tmp_path, result(metric, 5.0, "min", n=100), result(metric, 5.0, "min", n=50))
    assert verdict.state == "incomparable"
    assert "n (100 in the baseline, 50 here)" in verdict.note


def test_means_of_another_n_compare_but_not_on_other_pictures(tmp_path: Path) -> None:
    before, after = result("ssim", 0.5, n=100), result("ssim", 0.5, n=50)
    assert only(tmp_path, before, after).state == "pass"
    record = run(after)
    spec = {**record.spec, "data": {**record.spec["data"], "test_fingerprint": "beef"}}
    (verdict,) = judge(tmp_path, [run(before)], [replace(record, spec=spec)])
    assert verdict.state == "incomparable"
    assert "test pictures (f00d in the baseline, beef here)" in verdict.note


def test_a_metric_whose_goal_changed_is_incomparable(tmp_path: Path) -> None:
    assert only(tmp_path, result("hf_ratio", 0.5, 1.0), result("hf_ratio", 0.5)).state == "incomparable"


def test_a_regression_outranks_what_cannot_be_compared(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("psnr", 20.0))]
    verdicts = judge(tmp_path, before, [run(result("ssim", 0.1), result("psnr", None))])
    assert [verdict.state for verdict in verdicts] == ["regressed", "missing"]
    assert regress.exit_code(verdicts) == 1
    assert regress.summary(verdicts) == "1 regressed, 1 missing"


def test_tolerances_can_be_edited_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    before, after = [run(result("ssim", 0.5))], [run(result("ssim", 0.4))]
    regress.write_baseline(before, path)
    assert regress.check(after, path)[0].state == "regressed"
    content = json.loads(path.read_text())
    content["tolerances"]["ssim"] = {"absolute": 0.2}
    path.write_text(json.dumps(content))
    assert regress.check(after, path)[0].state == "pass"
    content["rows"][ROW]["metrics"]["ssim"]["tolerance"] = {"relative": 0.1}  # its own goes first
    path.write_text(json.dumps(content))
    assert regress.check(after, path)[0].state == "regressed"
    del content["tolerances"]["ssim"], content["rows"][ROW]["metrics"]["ssim"]["tolerance"]
    content["tolerances"]["*"] = {"absolute": 0.2}
    path.write_text(json.dumps(content))
    assert regress.check(after, path)[0].state == "pass"


def test_writing_anew_keeps_what_was_edited(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    regress.write_baseline([run(result("ssim", 0.5), result("psnr", 20.0))], path, ignore_protocol=["scorer"])
    content = json.loads(path.read_text())
    content["tolerances"]["ssim"] = {"absolute": 0.2}
    content["rows"][ROW]["metrics"]["psnr"]["tolerance"] = {"absolute": 7}
    path.write_text(json.dumps(content))
    regress.write_baseline([run(result("ssim", 0.6), result("psnr", 21.0))], path)
    anew = read_baseline(path)
    assert anew.tolerances["ssim"] == Tolerance(absolute=0.2)
    assert anew.rows[ROW].metrics["psnr"].tolerance == Tolerance(absolute=7)
    assert (anew.rows[ROW].metrics["ssim"].value, anew.ignore_protocol) == (0.6, ("scorer",))
    given = {"ssim": Tolerance(0.3)}
    regress.write_baseline([run(result("ssim", 0.6))], path, tolerances=given, ignore_protocol=["version"])
    anew = read_baseline(path)
    assert (anew.tolerances["ssim"], anew.ignore_protocol) == (Tolerance(0.3), ("version",))
    path.write_text("{")
    regress.write_baseline([run(result("ssim", 0.6))], path)
    assert read_baseline(path).tolerances["ssim"] == DEFAULT_TOLERANCES["ssim"]


def test_default_tolerances_are_for_known_metrics() -> None:
    assert set(DEFAULT_TOLERANCES) - {"*"} <= set(CATALOGUE)


def test_the_file_is_the_same_whatever_the_order_of_the_records(tmp_path: Path) -> None:
    records = [run(result("ssim", 0.5 + seed), result("l1", 3.0, "min"), seed=seed) for seed in (0, 1)]
    records.append(reference(result("ssim", 1.0)))
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    regress.write_baseline(records, one)
    regress.write_baseline(records[::-1], other)
    assert one.read_bytes() == other.read_bytes()
    content = json.loads(one.read_text())
    assert content["rows"][ROW]["metrics"]["ssim"]["values"] == [0.5, 1.5]
    assert content["rows"]["toycity/labels2photo/64px/real"]["seeds"] == [None]
    assert list(content["protocols"].values()) == [PROTOCOL]


def test_records_from_disk_are_judged_alike(tmp_path: Path) -> None:
    records = [run(result("ssim", 1 / 3, interval=(0.3, 0.4))), reference(result("ssim", 1.0))]
    for record in records:
        write_record(tmp_path / "out", record)
    verdicts = judge(tmp_path, records, read_records(tmp_path / "out"), tolerances=EXACT)
    assert [verdict.state for verdict in verdicts] == ["pass", "pass"]


def test_two_settings_in_one_row_are_refused(tmp_path: Path) -> None:
    one = run(result("ssim", 0.5))
    training = {**one.spec["training"], "batch_size": 4}
    other = replace(one, id="other", spec={**one.spec, "training": training})
    with pytest.raises(UsageError, match=r"one record for .*l1 \(seed 0\), found l1-s0 and other"):
        regress.write_baseline([one, other], tmp_path / "baseline.json")
    assert not (tmp_path / "baseline.json").exists()


def test_seeds_scored_in_different_ways_are_refused(tmp_path: Path) -> None:
    records = [run(result("ssim", 0.5)), run(result("ssim", 0.5, protocol={"version": 2}), seed=1)]
    with pytest.raises(NotComparableError, match="one protocol"):
        regress.write_baseline(records, tmp_path / "baseline.json")


def test_a_baseline_of_failed_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="out of memory"):
        regress.write_baseline([run(status="failed", error="out of memory")], tmp_path / "baseline.json")
    with pytest.raises(UsageError, match="found none"):
        regress.write_baseline([], tmp_path / "baseline.json")


@pytest.mark.parametrize("training", [{"size_px": 64}, {"size_px": 64, "steps": None}])
def test_a_run_without_steps_has_none_in_its_row(tmp_path: Path, training: dict[str, Any]) -> None:
    foreign = run(result("ssim", 0.5), label="theirs")
    foreign = replace(foreign, spec={"data": foreign.spec["data"], "training": training})
    (verdict,) = judge(tmp_path, [foreign], [foreign])
    assert (verdict.row, verdict.state) == ("toycity/labels2photo/64px/theirs", "pass")


@pytest.mark.parametrize("spec", [{}, {"training": {}}, {"training": {"steps": 100}}])
def test_a_record_that_fits_no_row_is_named(tmp_path: Path, spec: dict[str, Any]) -> None:
    record = run(result("ssim", 0.5))
    record = replace(record, spec={"data": record.spec["data"], **spec})
    with pytest.raises(UsageError, match=r"size_px in record l1-s0, found none") as caught:
        regress.write_baseline([record], tmp_path / "baseline.json")
    assert "delete it and run again" in str(caught.value)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "baseline.json", tmp_path / "folder", Path("/proc/baseline.json")):
        with pytest.raises(UsageError, match="give a FILE in a folder that can be written") as caught:
            regress.write_baseline([run(result("ssim", 0.5))], path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def damaged(change: Any) -> Any:
    def apply(content: dict[str, Any]) -> str:
        change(content)
        return json.dumps(content)

    return apply


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: "{", "expected a baseline"),
        (lambda content: "[" * 100_000, "expected a baseline"),
        (lambda content: "[]", "schema_version"),
        (damaged(lambda c: c.pop("schema_version")), "schema_version"),
        (damaged(lambda c: c.update(schema_version=99)), "found 99"),
        (damaged(lambda c: c.pop("rows")), "malformed"),
        (damaged(lambda c: c.update(rows=[])), "malformed"),
        (damaged(lambda c: c.update(protocols={})), "malformed"),
        (damaged(lambda c: c.update(ignore_protocol="scorer.hash")), "ignore_protocol"),
        (damaged(lambda c: c["tolerances"].update(ssim={"absolut": 1})), "absolut"),
        (damaged(lambda c: c["tolerances"].update(ssim={"absolute": -1})), "0 or more"),
        (damaged(lambda c: c["tolerances"].update(ssim={"relative": "5%"})), "number"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[])), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[float("nan")])), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[1, 2])), "one value a seed"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(goal="up")), "malformed"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(goal=True)), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(goal=float("inf"))), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[True])), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=["1"])), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[10**400])), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(n=True)), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(interval=[0])), "interval"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(interval=[0, float("nan")])), "finite"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_by_name(tmp_path: Path, spoil: Any, said: str) -> None:
    path = tmp_path / "baseline.json"
    regress.write_baseline([run(result("ssim", 0.5))], path)
    path.write_text(spoil(json.loads(path.read_text())))
    with pytest.raises(UsageError, match=said) as caught:
        regress.check([run(result("ssim", 0.5))], path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_baseline_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bench baseline"):
        regress.check([run(result("ssim", 0.5))], tmp_path / "none.json")


def shown(verdicts: list[regress.Verdict], width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(regress.verdict_table(verdicts))
    return captured.get().splitlines()


def test_the_table_shows_every_verdict_worst_first(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("psnr", 20.0))]
    verdicts = judge(tmp_path, before, [run(result("ssim", 0.1), result("psnr", None))])
    title, _head, first, second, note = shown(verdicts, 200)
    assert title.startswith("toycity/labels2photo/64px against the baseline: 1 regressed, 1 missing")
    assert first.split() == ["regressed", "100", "steps/l1", "ssim", "0.5", "0.1", "-0.4", "0.01"]
    assert second.split() == ["missing", "100", "steps/l1", "psnr", "20", "–", "–", "–", "[1]"]
    assert note.strip() == "[1] no weights"


def test_a_table_without_notes_fits_a_narrow_terminal(tmp_path: Path) -> None:
    before = [run(result("pixel_acc@10", 0.123456789)), reference(result("fd_scorer", 1234.5678, "min"))]
    lines = shown(judge(tmp_path, before, before), 80)
    assert len(lines) == 4
    assert "note" not in lines[1]


def test_the_table_does_not_take_a_label_for_markup(tmp_path: Path) -> None:
    record = run(result("ssim", 0.5), label="l1[lambda_l1=10]")
    assert "steps/l1[lambda_l1=10]" in shown(judge(tmp_path, [record], [record]), 200)[2]


def test_a_changed_number_changes_one_line_of_the_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    regress.write_baseline([run(result("ssim", 0.5), result("psnr", 20.0))], one)
    regress.write_baseline([run(result("ssim", 0.6), result("psnr", 20.0))], other)
    lines = one.read_text().splitlines(), other.read_text().splitlines()
    changed = [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]]
    assert [("0.5" in before, "0.6" in after) for before, after in changed] == [(True, True)]

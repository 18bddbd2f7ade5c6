"""The same rows over several outputs: order, lines, breaks, verdicts, and the files that show them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from gate_records import PROTOCOL, reference, result, run, write_baseline

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.gate.tolerances import Settings
from bench.gate.trend import Trend, trend
from bench.records.record import RunRecord, write_record
from bench.report.trend import answer


def night(out: Path, day: int, ssim: float, **more: Any) -> Path:
    """An output of one night: three seeds of l1 around `ssim`, and the real row."""
    protocol = {**PROTOCOL, **more.pop("protocol", {})}
    for seed in range(3):
        value = ssim + 0.001 * (seed - 1)
        cell = result("ssim", value, protocol=protocol, interval=(value - 0.01, value + 0.01))
        record = run(cell, result("mae", 20.0 + seed, "min"), seed=seed, **more)
        write_record(out, made_on(record, day))
    write_record(out, made_on(reference(result("hf_ratio", 0.9, 1.0)), day))
    return out


def made_on(record: RunRecord, day: int, commit: str = "") -> RunRecord:
    environment = {"commit": commit or f"{day:02}" * 20, "dirty": day == 3}
    return replace(record, created=f"2026-11-{day:02}T02:00:00+00:00", environment=environment)


def line(found: Trend, metric: str) -> Any:
    (only,) = [one for one in found.lines if one.metric == metric]
    return only


def test_outputs_stand_in_the_order_of_time_whatever_the_order_given(tmp_path: Path) -> None:
    nights = [night(tmp_path / f"n{day}", day, 0.5) for day in (3, 1, 2)]
    found = trend(nights)
    assert [moment.out.name for moment in found.moments] == ["n1", "n2", "n3"]
    assert [moment.commits for moment in found.moments] == [("0101010",), ("0202020",), ("0303030+",)]


def test_each_output_is_judged_against_the_first(tmp_path: Path) -> None:
    nights = [night(tmp_path / f"n{day}", day, ssim) for day, ssim in ((1, 0.5), (2, 0.5), (3, 0.4))]
    found = trend(nights)
    assert found.moments[0].outcome is None
    assert [point.state for point in line(found, "ssim").points] == [None, "pass", "regressed"]
    assert [point.cell.value for point in line(found, "ssim").points] == pytest.approx([0.5, 0.5, 0.4])
    assert answer(found) == (
        "In the newest output, n3, SSIM of l1 got worse against the first output without failures, n1."
    )


def test_what_got_worse_earlier_is_said_with_its_first_output(tmp_path: Path) -> None:
    by_day = ((1, 0.5), (2, 0.4), (3, 0.5), (4, 0.4), (5, 0.4))
    found = trend([night(tmp_path / f"n{day}", day, ssim) for day, ssim in by_day])
    assert "SSIM of l1 (since n4) got worse" in answer(found)


def test_a_baseline_file_judges_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    write_baseline([run(result("ssim", 0.6 + 0.001 * seed), seed=seed) for seed in range(3)], path)
    nights = [night(tmp_path / f"n{day}", day, 0.5) for day in (1, 2)]
    found = trend(nights, baseline=path)
    assert found.judged_by == "the baseline gate.json"
    assert [point.state for point in line(found, "ssim").points] == ["regressed", "regressed"]


def test_a_line_breaks_where_the_protocol_changes_and_says_where(tmp_path: Path) -> None:
    nights = [
        night(tmp_path / f"n{day}", day, 0.5, protocol={"window": window})
        for day, window in ((1, 11), (2, 11), (3, 7))
    ]
    ssim = line(trend(nights), "ssim")
    assert [point.segment for point in ssim.points] == [0, 0, 1]
    assert ssim.breaks == ((2, "window 11 before, 7 from here"),)
    assert [point.state for point in ssim.points] == [None, "pass", "incomparable"]
    whole = line(trend(nights, ignore=["window"]), "ssim")
    assert [point.segment for point in whole.points] == [0, 0, 0]
    assert [point.state for point in whole.points] == [None, "pass", "pass"]


def test_a_row_that_fails_or_is_new_leaves_its_place_empty(tmp_path: Path) -> None:
    first = night(tmp_path / "n1", 1, 0.5)
    second = night(tmp_path / "n2", 2, 0.5, label="cgan")
    diverged = made_on(run(label="l1", status="diverged", error="loss is NaN"), 2)
    write_record(second, diverged)
    found = trend([first, second])
    by_row = {one.row.rpartition("/")[2]: one for one in found.lines if one.metric == "ssim"}
    assert [point.place for point in by_row["l1"].points] == [0]
    assert [(point.place, point.state) for point in by_row["cgan"].points] == [(1, "new")]
    assert list(found.moments[1].failures.values()) == ["seed 0 diverged: loss is NaN"]


def test_chosen_metrics_may_be_missing_in_some_outputs(tmp_path: Path) -> None:
    nights = [night(tmp_path / f"n{day}", day, 0.5) for day in (1, 2)]
    extra = made_on(run(result("psnr", 20.0), label="cgan"), 2)
    write_record(nights[1], extra)
    found = trend(nights, settings=Settings(metrics=("psnr",)))
    assert [one.metric for one in found.lines] == ["psnr"]


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ([0], "expected two outputs or more, found 1"),
        ([0, 0], "expected each output once, found one twice"),
    ],
)
def test_what_is_no_trend_is_refused(tmp_path: Path, which: list[int], said: str) -> None:
    nights = [night(tmp_path / "n1", 1, 0.5)]
    with pytest.raises(UsageError, match=said):
        trend([nights[place] for place in which])


def test_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    nights = [night(tmp_path / f"n{day}", day, 0.5) for day in (1, 2)]
    with pytest.raises(UsageError, match="ssm"):
        trend(nights, settings=Settings(metrics=("ssm",)))


def test_the_page_the_markdown_and_the_csv_hold_every_point(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nights = [night(tmp_path / f"n{day}", day, ssim) for day, ssim in ((1, 0.5), (2, 0.52), (3, 0.4))]
    to = tmp_path / "trend"
    assert invoke(["trend", *map(str, nights), "--to", str(to)]) == 0
    printed = capsys.readouterr().out
    assert "n3, SSIM of l1 got worse" in printed
    assert str(to / "index.html") in printed
    table = pd.read_csv(to / "trend.csv")
    assert len(table) == 9  # ssim, mae and the real row's hf_ratio, three times
    ssim = table[table.metric == "ssim"]
    assert ssim.value.tolist() == pytest.approx([0.5, 0.52, 0.4])
    assert ssim.verdict.tolist()[1:] == ["improved", "regressed"]
    page = (to / "index.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http://www.w3.org/", "")  # nothing is requested from elsewhere
    assert "0.400 [0.390, 0.410]" in page
    text = (to / "trend.md").read_text(encoding="utf-8")
    for figure in (to / "figures").iterdir():
        assert f"(figures/{figure.name})" in text
    assert "| n3 | 2026-11-03 02:00 | 0303030+ | 1 regressed" in text


def test_names_from_records_are_text_on_the_page(tmp_path: Path) -> None:
    nights = [tmp_path / f"n{day}" for day in (1, 2)]
    for day, out in enumerate(nights, 1):
        write_record(out, made_on(replace(run(result("ssim", 0.5)), label="<b>x"), day))
    to = tmp_path / "trend"
    assert invoke(["trend", *map(str, nights), "--to", str(to)]) == 0
    assert "<b>x" not in (to / "index.html").read_text(encoding="utf-8")

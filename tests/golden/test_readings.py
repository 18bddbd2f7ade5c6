"""What stands beside the numbers in words: the judge's fitness, trivial rows, further names, code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic

from bench.analysis.entry import Entry
from bench.analysis.readings import fitness_statements, name_statements, trivial_statements
from bench.analysis.sections import Section, sections
from bench.records.record import MetricResult, RunRecord, write_record
from bench.report.escape import html_code, markdown_code
from bench.report.render import write_report
from bench.report.terminal import terminal_notes
from bench.scoring.metrics.catalogue import goal_of

Given = dict[str, tuple[float, float, float] | float]
META = {"network": "fcn-small", "hash": "a1", "size_px": 64,
          "held_out": {"pixel_acc": 0.846, "class_iou": 0.46}}  # fmt: skip
JUDGE = "The judge fcn-small at 64 px (held-out pixel accuracy 0.85, class IoU 0.46)"
FCN = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou")


def make(label: str, given: Given, *, n: int = 40, seed: int = 0, **details: Any) -> RunRecord:
    """A run, or a reference row, with (low, value, high) or a bare value for each key."""
    results = {}
    for key, held in given.items():
        low, value, high = held if isinstance(held, tuple) else (None, held, None)
        interval = None if low is None or high is None else (low, high)
        results[key] = MetricResult(key, value, goal_of(key), n, {"version": 1}, interval=interval)
    spec = synthetic.spec("l1", seed, dataset="toycity", direction="labels2photo")
    kind: Any = "reference" if label in ("real", "copy", "nearest", "random") else "run"
    if kind == "reference":
        spec = {"data": spec["data"], "training": {"size_px": 64}, "row": label}
    details = {"judge": META, **details}
    return RunRecord(f"{label}-{seed}", kind, label, spec, "finished", results, details=details)


def section_of(*records: RunRecord) -> Section:
    (section,) = sections([Entry(record) for record in records])
    return section


def assert_said_everywhere(said: str, tmp_path: Path, records: list[RunRecord]) -> None:
    """In page, Markdown and terminal."""
    for record in records:
        write_record(tmp_path, record)
    files = write_report([tmp_path], tmp_path / "report")
    assert said in files.html.read_text(encoding="utf-8")
    assert said in files.markdown.read_text(encoding="utf-8")
    assert said in terminal_notes(records)


def all_three(low: float, value: float, high: float) -> Given:
    return dict.fromkeys(FCN, (low, value, high))


def with_judge() -> list[RunRecord]:
    level: Given = {**all_three(0.5, 0.6, 0.7), "fcn_pixel_acc": (0.8, 0.82, 0.85)}
    clear = all_three(0.5, 0.6, 0.7)
    return [
        make("l1+cgan", level), make("cgan", clear), make("l1", clear), make("l1", clear, seed=1),
        make("real", all_three(0.83, 0.85, 0.87)),
    ]  # fmt: skip


def test_fitness_stands_in_page_markdown_and_terminal(tmp_path: Path) -> None:
    expected = [
        f"{JUDGE} can tell real photos from those of l1 and cgan, by all three FCN scores.",
        f"{JUDGE} cannot tell real photos from those of l1+cgan by FCN pixel acc.: "
        "read that column with care.",
    ]
    records = with_judge()
    assert fitness_statements(section_of(*records)) == expected
    for record in records:
        write_record(tmp_path, record)
    files = write_report([tmp_path], tmp_path / "report")
    html = files.html.read_text(encoding="utf-8")
    assert f'<p class="small muted">{expected[0]}</p>' in html
    assert f'<p class="warning">{expected[1]}</p>' in html
    assert html.index('id="s1-comparison"') < html.index(expected[1]) < html.index('class="sortable"')
    assert all(f"> {line}" in files.markdown.read_text(encoding="utf-8") for line in expected)
    assert set(expected) <= set(terminal_notes(records))


def test_fitness_of_records_counts_where_the_real_row_is_elsewhere() -> None:
    *runs, real = [replace(r, details={**r.details, "fitness": ["Said then."]}) for r in with_judge()]
    assert fitness_statements(section_of(*runs)) == ["Said then."]
    assert "Said then." not in fitness_statements(section_of(*runs, real))


def test_trivial_row_that_beats_every_variant() -> None:
    rows = [make("l1", {"fd_lite0": 307.9}), make("cgan", {"fd_lite0": 370.3})]
    rows += [make("copy", {"fd_lite0": 246.77}), make("nearest", {"fd_lite0": 57.35})]
    (said,) = trivial_statements(section_of(*rows))
    assert said == (
        "The trivial row nearest beats every variant on FD (Lite0) with 57.35. "
        "At this budget no variant has learnt it."
    )
    better = make("l1+cgan", {"fd_lite0": 50.0})
    assert trivial_statements(section_of(*rows, better)) == []
    assert trivial_statements(section_of(*rows[2:])) == []  # no variant to beat
    perfect = make("real", {"fd_lite0": 5.0})
    assert trivial_statements(section_of(*rows[:2], perfect)) == []  # the real row is not trivial


def test_trivial_rows_share_a_sentence(tmp_path: Path) -> None:
    run = make("l1", {"fd_lite0": 300.0, "lab_l": 0.5, "psnr": 10.0, "hf_ratio": 0.4})
    copy = make("copy", {"fd_lite0": 320.0, "lab_l": 0.1, "psnr": 11.09, "hf_ratio": 2.0})
    nearest = make("nearest", {"fd_lite0": 57.35, "lab_l": 0.952, "psnr": 9.0, "hf_ratio": 1.1})
    expected = (
        "The trivial row nearest beats every variant on FD (Lite0) with 57.35, HF ratio with 1.100 and Lab L "
        "with 0.952. The trivial row copy beats every variant on PSNR (dB) with 11.09. "
        "At this budget no variant has learnt them."
    )
    records = [run, copy, nearest]
    section = section_of(*records)
    (said,) = trivial_statements(section)
    assert said == expected
    assert_said_everywhere(said, tmp_path, records)


@pytest.mark.parametrize(
    ("key", "ours", "theirs", "beats"),
    [
        ("lab_l", (0.8, 0.9, 0.95), (0.6, 0.7, 0.79), True),
        ("lab_l", (0.8, 0.9, 0.95), (0.6, 0.7, 0.81), False),  # their intervals overlap
        ("hf_ratio", (0.8, 0.9, 1.1), (0.5, 0.6, 0.7), True),
        ("hf_ratio", (0.8, 0.9, 1.1), (0.5, 0.99, 1.4), False),  # may well be nearer to 1
        ("mae", (10.0, 11.0, 12.0), (13.0, 14.0, 15.0), True),
    ],
)
def test_trivial_rows_must_win_by_their_intervals(
    key: str, ours: tuple[float, float, float], theirs: tuple[float, float, float], beats: bool
) -> None:
    section = section_of(make("l1", {key: theirs}), make("nearest", {key: ours}))
    assert bool(trivial_statements(section)) == beats


def test_further_names_of_a_row(tmp_path: Path) -> None:
    records = [make("l1+cgan", {"ssim": 0.3}, also=["imagegan"], seed=seed) for seed in (0, 1)]
    records.append(make("l1", {"ssim": 0.2}))
    (said,) = name_statements(section_of(*records))
    assert said == "One system under several names: l1+cgan (also asked for as imagegan)."
    assert_said_everywhere(said, tmp_path, records)
    assert name_statements(section_of(records[-1])) == []


def test_words_in_backticks_are_code(tmp_path: Path) -> None:
    synthetic.write_run(tmp_path, "l1", 0, details={}, history=[], gallery=None)
    error = "use `bench run --device cpu`, `<b>`"
    synthetic.write_run(
        tmp_path, "cgan", 0, status="failed", error=error, details={}, history=[], gallery=None
    )
    files = write_report([tmp_path], tmp_path / "report")
    html, text = (path.read_text(encoding="utf-8") for path in (files.html, files.markdown))
    assert "missing: <code>bench data fetch inception</code> gets them" in html
    assert "use <code>bench run --device cpu</code>, <code>&lt;b&gt;</code>" in html
    assert "missing: `bench data fetch inception` gets them" in text
    assert "use `bench run --device cpu`, \\`&lt;b&gt;\\`" in text


def test_code_is_escaped() -> None:
    assert html_code("a `<i>` b") == "a <code>&lt;i&gt;</code> b"
    assert html_code("one ` alone & so") == "one ` alone &amp; so"
    assert markdown_code("*a* `b c` | `d|e`") == r"\*a\* `b c` \| \`d\|e\`"


@pytest.mark.parametrize("n", [0, 1])
def test_next_to_no_test_image(tmp_path: Path, n: int) -> None:
    given: Given = {"fcn_pixel_acc": 0.5, "ssim": 0.3, "hf_ratio": 0.5} if n else {}
    records = [make(label, given, n=n) for label in ("l1", "cgan", "real", "nearest")]
    for record in records:
        write_record(tmp_path, record)
    html = write_report([tmp_path], tmp_path / "report").html.read_text(encoding="utf-8")
    told = f"{JUDGE} cannot tell real photos from those of l1 and cgan by FCN pixel acc."
    assert (told in html) == bool(n)
    assert any(told in line for line in terminal_notes(records)) == bool(n)

"""Several judges of one output: a section by each, pairs they agree on, ranks, and claims by every judge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from panel_records import FIRST, SECOND, write

from bench.analysis import entry
from bench.analysis.differences import differences
from bench.analysis.entry import load_entries
from bench.analysis.panel import pairs, seats
from bench.analysis.rank_agreement import kendall, rank_agreements
from bench.analysis.sections import Section, sections
from bench.claims.by_panel import verdicts_by_panel
from bench.claims.ledger import load_ledger
from bench.claims.verdicts import Verdict, verdicts_of
from bench.core.errors import UsageError
from bench.records.panel import judges_of, seen_by
from bench.records.record import RunRecord, per_image_path, read_per_image, read_records, record_path
from bench.report.panel_view import panel_view
from bench.report.render import write_report

# By the first judge l1 < cgan < l1+cgan; by the second cgan < l1 < l1+cgan.
ACCURACIES = {"l1": (0.60, 0.50), "cgan": (0.70, 0.40), "l1+cgan": (0.80, 0.60)}


def section_of(out: Path) -> Section:
    (section,) = sections(load_entries([out])[0])
    return section


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel")
    write(folder, ACCURACIES)
    return folder


def test_a_section_by_a_judge_is_what_it_alone_would_give(out: Path, tmp_path: Path) -> None:
    """The second judge's view, against an output that this judge alone has scored."""
    write(tmp_path, {label: (second,) for label, (_, second) in ACCURACIES.items()})
    alone, (_, seat) = section_of(tmp_path), seats(section_of(out))
    assert seat.hash == SECOND
    for column, other in zip(alone.columns, seat.section.columns, strict=True):
        for row, theirs in zip(alone.rows, seat.section.rows, strict=True):
            assert row.cells[column.id].values == theirs.cells[other.id].values
            assert row.cells[column.id].interval == theirs.cells[other.id].interval
    for one, two in zip(differences(alone), differences(seat.section), strict=True):
        assert (one.row, one.difference, one.interval, one.corrected) == (
            two.row, two.difference, two.interval, two.corrected,
        )  # fmt: skip


def test_values_by_image_are_read_once_for_all_judges(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And again where they have changed."""
    folder = shutil.copytree(out, tmp_path / "out")
    read: list[str] = []

    def noted(where: Path, record: RunRecord) -> pd.DataFrame | None:
        read.append(record.id)
        return read_per_image(where, record)

    monkeypatch.setattr(entry, "read_per_image", noted)
    for seat in seats(section_of(folder)):
        assert differences(seat.section)
    assert sorted(read) == sorted({record.id for record in read_records(folder)})
    table = per_image_path(folder, read[0])
    pd.read_parquet(table).assign(new=1.5).to_parquet(table, index=False)
    (found,) = (one for one in load_entries([folder])[0] if one.record.id == read[0])
    again = found.sorted_table()
    assert again is not None
    assert set(again["new"]) == {1.5}


def test_the_first_judge_s_section_is_the_report_s_own(out: Path) -> None:
    section = section_of(out)
    first, _ = seats(section)
    assert first.section is section
    assert [seat.name for seat in seats(section)] == ["fcn-a at 64 px", "fcn-b at 64 px"]
    assert judges_of(section.finished) == [FIRST, SECOND]


def test_one_judge_is_no_panel(tmp_path: Path) -> None:
    write(tmp_path, {"l1": (0.5,), "cgan": (0.6,)})
    assert seats(section_of(tmp_path)) == []
    assert panel_view(section_of(tmp_path)) is None
    (record, *_) = read_records(tmp_path)
    assert seen_by(record, SECOND).results == {}


def test_on_which_pairs_they_agree(out: Path) -> None:
    found = [pair for pair in pairs(seats(section_of(out))) if pair.key == "fcn_class_iou"]
    assert [(pair.rows, pair.agreed, pair.opposed) for pair in found] == [
        (("l1+cgan", "cgan"), True, False),
        (("l1+cgan", "l1"), True, False),
        (("cgan", "l1"), False, True),
    ]
    view = panel_view(section_of(out))
    assert view is not None
    assert view.statements[2] == (
        "By FCN class IoU all judges agree on 2 of 3 pairs of variants (l1+cgan above cgan, "
        "l1+cgan above l1); they contradict one another on cgan (above for fcn-a at 64 px) and l1 "
        "(above for fcn-b at 64 px)."
    )
    held = [record.details["panel"][0] for record in read_records(out) if record.label == "l1"]
    mean = np.mean([one["results"]["fcn_class_iou"]["value"] for one in held])
    assert dict(view.rows)["l1"][-1] == f"{mean:.3f}"


def test_tau_is_scipy_s() -> None:
    order = np.random.default_rng(0)
    a, b = order.normal(size=(2, 50, 7))
    expected = [scipy.stats.kendalltau(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert kendall(a, b) == pytest.approx(expected)


def test_rank_agreement_has_an_interval_over_images_and_seeds(out: Path, tmp_path: Path) -> None:
    (_, _, iou) = rank_agreements(seats(section_of(out)))
    assert (iou.variants, iou.seeds, iou.n) == (3, 3, 40)
    assert iou.tau == pytest.approx(1 / 3)
    assert iou.interval == pytest.approx((1 / 3, 1 / 3))  # no resample changes an order of such gaps
    write(tmp_path, {"l1": (0.60, 0.50), "cgan": (0.60, 0.50), "l1+cgan": (0.80, 0.60)})
    (_, _, close) = rank_agreements(seats(section_of(tmp_path)))
    assert close.interval is not None
    assert close.interval[0] < close.interval[1]


def test_report_and_files_show_the_panel(out: Path, tmp_path: Path) -> None:
    files = write_report([out], tmp_path / "report")
    page, text = files.html.read_text(), files.markdown.read_text()
    for shown in (page, text):
        assert "The panel of judges" in shown
        assert "they contradict one another on" in shown
    table = pd.read_csv(tmp_path / "report" / "agreement.csv")
    assert list(table.metric) == ["fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou"]
    assert table.tau.tolist() == pytest.approx([1 / 3] * 3)
    results = pd.read_csv(tmp_path / "report" / "results.csv")
    assert len(results) == 9 * 3  # the first judge's, as ever


def ledger(path: Path, a: str, b: str, more: str = "", metric: str = "fcn_class_iou") -> Path:
    path.write_text(
        f"""[[claims]]
id = "mine"
sentence = "Sentence."
place = "here"
{more}
[[claims.comparisons]]
a = "{a}"
relation = "above"
b = "{b}"
metric = "{metric}"
"""
    )
    return path


def mine(out: Path, path: Path) -> Verdict:
    (verdict,) = [
        one for one in verdicts_by_panel(load_ledger([path]), [section_of(out)]) if one.claim.id == "mine"
    ]
    return verdict


@pytest.mark.parametrize(
    ("a", "b", "first", "every"),
    [
        ("l1+cgan", "l1", "supported", "supported"),
        ("l1", "l1+cgan", "contradicted", "contradicted"),
        ("cgan", "l1", "supported", "undecided"),
        ("l1", "cgan", "contradicted", "undecided"),
    ],
)
def test_a_claim_may_ask_every_judge(
    out: Path, tmp_path: Path, a: str, b: str, first: str, every: str
) -> None:
    alone = mine(out, ledger(tmp_path / "one.toml", a, b))
    assert (alone.state, alone.by_judge) == (first, ())
    asked = mine(out, ledger(tmp_path / "all.toml", a, b, 'judges = "every"'))
    assert asked.state == every
    assert [name for name, _ in asked.by_judge] == ["fcn-a at 64 px", "fcn-b at 64 px"]
    assert asked.by_judge[0][1].state == first
    said = next(line for line in asked.reasons if line.startswith("by judge: "))
    assert f"fcn-a at 64 px {first}" in said
    assert json.loads(json.dumps(asked.to_json()))["by_judge"][1]["judge"] == "fcn-b at 64 px"


def test_of_one_judge_every_claim_is_as_before(tmp_path: Path) -> None:
    write(tmp_path, {label: (first,) for label, (first, _) in ACCURACIES.items()})
    claims, made = load_ledger(), [section_of(tmp_path)]
    assert verdicts_by_panel(claims, made) == verdicts_of(claims, made)


def test_the_ledger_asks_every_judge_for_its_fcn_claims() -> None:
    assert all((claim.judges == "every") == claim.asks_judges for claim in load_ledger())


def test_every_judge_of_a_claim_without_an_fcn_score_is_refused(tmp_path: Path) -> None:
    path = ledger(tmp_path / "mine.toml", "l1", "cgan", 'judges = "every"', metric="ssim")
    with pytest.raises(UsageError, match="fcn_"):
        load_ledger([path])


@pytest.mark.parametrize(
    ("key", "content", "words"),
    [
        ("panel", [{"judge": {}, "results": {}}], "without hash"),
        ("panel", [{"judge": {"hash": "b"}, "results": {"fcn_pixel_acc": 1}}], "results"),
        ("panel", {"judge": 1}, "panel|list|array"),
        ("judge_cards", [{"judge": "a"}], "judge_hash"),
        ("judge_cards", 3, "."),
    ],
)
def test_damaged_records_are_refused(tmp_path: Path, key: str, content: object, words: str) -> None:
    (record, *_) = write(tmp_path, {"l1": (0.5, 0.6)}, seeds=1)
    path = record_path(tmp_path, record.id)
    held = json.loads(path.read_text())
    held["details"][key] = content
    path.write_text(json.dumps(held))
    with pytest.raises(UsageError, match=words):
        judges_of(read_records(tmp_path))

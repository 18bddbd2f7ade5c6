"""The report on the judge: how well it labels held-out real photos, by class, and what it has seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import synthetic

from bench.analysis.entry import Entry
from bench.analysis.sections import sections
from bench.report.judge_view import judges, seen_statements
from bench.report.render import write_report
from bench.report.terminal import terminal_notes

META: dict[str, Any] = {
    "network": "fcn-small", "hash": "a1b2c3d4e5f6", "size_px": 64, "parameters": 1012345,
    "classes": ["road", "wall", "a|<b>*"],  # records sort keys, not lists
    "recipe": {"steps": 500}, "train_n": 360, "held_out_n": 40,
    "held_out": {
        "pixel_acc": 0.8514, "class_acc": 0.579, "class_iou": 0.448,
        "per_class_acc": {"road": 0.9321, "wall": None, "a|<b>*": 0.0},
        "per_class_iou": {"road": 0.8765, "wall": None, "a|<b>*": 0.0},
    },
    "seen": {"training_photos": 400, "test_photos": 100, "in_common": 0,
             "compared": "sha256 of the decoded pictures at 64 px"},
}  # fmt: skip
SEEN = {**META, "seen": {**META["seen"], "in_common": 3}}
WARNING = (
    "The judge fcn-small at 64 px is no independent one: 3 of the 100 test photos are in the split that it "
    "was trained on. Read its scores with care."
)


def write(out: Path, *metas: dict[str, Any] | None) -> list[Any]:
    """Runs of `l1`, one a meta."""
    return [
        synthetic.write_run(
            out, "l1", seed, details={"judge": meta} if meta else {}, history=[], gallery=None
        )
        for seed, meta in enumerate(metas)
    ]


def view(tmp_path: Path, *metas: dict[str, Any] | None) -> Any:
    (section,) = sections([Entry(record) for record in write(tmp_path, *metas)])
    return judges(section)


def test_facts_and_classes(tmp_path: Path) -> None:
    (judge,) = view(tmp_path, META, META)
    assert judge.title == "fcn-small at 64 px"
    assert judge.facts == [
        ("Network", "fcn-small"),
        ("Hash", "a1b2c3d4e5f6"),
        ("Parameters", "1,012,345"),
        ("Image size", "64 px"),
        ("Training steps", "500"),
        ("Trained on", "360 real photos of the training split"),
        ("Held out", "40 real photos of the training split"),
        ("Pixel accuracy, held out", "0.851"),
        ("Class accuracy, held out", "0.579"),
        ("Class IoU, held out", "0.448"),
        (
            "Test photos seen in training",
            "0 of 100 (compared with all 400 photos of its training split: "
            "sha256 of the decoded pictures at 64 px)",
        ),
    ]
    assert judge.classes == [("road", "0.932", "0.876"), ("wall", "–", "–"), ("a|<b>*", "0.000", "0.000")]
    assert judge.warning == ""


def test_page_and_markdown_hold_the_table(tmp_path: Path) -> None:
    write(tmp_path, META)
    files = write_report([tmp_path], tmp_path / "report")
    html, text = (path.read_text(encoding="utf-8") for path in (files.html, files.markdown))
    assert "<details>\n<summary>The judge: fcn-small at 64 px</summary>" in html
    assert '<tr><th scope="row">road</th><td>0.932</td><td>0.876</td></tr>' in html
    assert '<tr><th scope="row">wall</th><td>–</td><td>–</td></tr>' in html
    assert '<tr><th scope="row">a|&lt;b&gt;*</th><td>0.000</td><td>0.000</td></tr>' in html
    assert "<div><dt>Trained on</dt><dd>360 real photos of the training split</dd></div>" in html
    assert "no independent one" not in html + text
    table = "| Class | Accuracy | IoU |\n|---|---:|---:|\n| road | 0.932 | 0.876 |\n| wall | – | – |\n"
    assert table + r"| a\|&lt;b&gt;\* | 0.000 | 0.000 |" in text
    assert re.search(r"^- Test photos seen in training: 0 of 100 \(compared", text, re.MULTILINE)
    assert "\n\n### The judge: fcn-small at 64 px\n\n- Network: fcn-small\n" in text


def test_seen_test_photos_are_said_beside_the_judge(tmp_path: Path) -> None:
    records = write(tmp_path, SEEN)
    files = write_report([tmp_path], tmp_path / "report")
    html, text = (path.read_text(encoding="utf-8") for path in (files.html, files.markdown))
    assert html.count(f'<p class="warning">{WARNING}</p>') == 2  # above the comparison and in the judge's box
    assert html.index(WARNING) < html.index('class="sortable"')
    assert f"> {WARNING}" in text
    assert "3 of 100 (compared" in html
    assert "3 of 100 (compared" in text
    assert WARNING in terminal_notes(records)


@pytest.mark.parametrize("metas", [(META, SEEN), (SEEN, META), ({**META, "seen": None}, SEEN)])
def test_one_seen_photo_in_any_record_counts(tmp_path: Path, metas: tuple[dict[str, Any], ...]) -> None:
    (judge,) = view(tmp_path, *metas)
    assert judge.warning == WARNING


def test_the_judges_of_a_panel_have_a_box_each(tmp_path: Path) -> None:
    other = {"judge": {**META, "network": "fcn-lite0", "hash": "77"}, "results": {}}
    record = synthetic.write_run(tmp_path, "l1", 0, details={"judge": META, "panel": [other]}, gallery=None)
    (section,) = sections([Entry(record)])
    assert [judge.title for judge in judges(section)] == ["fcn-small at 64 px", "fcn-lite0 at 64 px"]


def test_several_judges_have_a_box_each_and_foreign_ones_none(tmp_path: Path) -> None:
    foreign = {"judge": "torchvision:fcn_resnet50", "judge_hash": "77"}
    shown = view(tmp_path, META, {**SEEN, "hash": "other"}, foreign, None)
    assert [dict(one.facts)["Hash"] for one in shown] == ["a1b2c3d4e5f6", "other"]
    assert [one.warning for one in shown] == ["", WARNING]


def test_records_of_older_versions_leave_out_what_they_lack(tmp_path: Path) -> None:
    old = {"network": "fcn-small", "hash": "a1", "held_out": {"pixel_acc": 0.84, "class_iou": None}}
    records = write(tmp_path, old)
    (section,) = sections([Entry(record) for record in records])
    (judge,) = judges(section)
    assert (judge.classes, seen_statements(section)) == ([], [])
    assert [name for name, _ in judge.facts] == [
        "Network", "Hash", "Pixel accuracy, held out", "Class IoU, held out",
    ]  # fmt: skip
    assert dict(judge.facts)["Class IoU, held out"] == "–"
    html = write_report([tmp_path], tmp_path / "report").html.read_text(encoding="utf-8")
    assert "The judge: fcn-small" in html

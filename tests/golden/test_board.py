"""Published studies on one page: sealed, by protocol, linked to their reports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from gate_records import PROTOCOL, reference, result, run

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.records.record import write_record
from bench.records.seal import check_seal, write_seal
from bench.report.board import boards, read_study, write_board


def study(
    root: Path, name: str, ssim: float, window: int = 11, judge: str = "aaaa", label: str = "l1"
) -> Path:
    """What `bench publish` leaves of one variant, two seeds, and a real row: records, report and seal."""
    folder = root / name
    iou_protocol = {**PROTOCOL, "judge_hash": judge}
    for seed in (0, 1):
        values = [
            result("ssim", ssim + 0.01 * seed, protocol={"window": window}),
            result("fcn_class_iou", ssim / 2, protocol=iou_protocol),
        ]
        write_record(folder, run(*values, seed=seed))
    write_record(folder, reference(result("fcn_class_iou", 0.33, protocol=iou_protocol)))
    (folder / "report.md").write_text("# a report\n")
    write_seal(folder)
    return folder


def test_studies_of_one_protocol_share_a_table_best_first(tmp_path: Path) -> None:
    folders = [study(tmp_path, "first", 0.4), study(tmp_path, "second", 0.5)]
    (title,) = found = boards([read_study(folder, None, tmp_path) for folder in folders])
    assert title == "toycity, labels to photo at 64 px"
    (block,) = found[title]
    to = tmp_path / "board"
    write_board(folders, to)
    table = pd.read_csv(to / "board.csv")
    ssim = table[table.metric == "ssim"]
    assert list(zip(ssim.study, ssim.value.round(6), strict=True)) == [("second", 0.505), ("first", 0.405)]
    assert set(table.table) == {1}
    assert [line[1].label for line in block.lines] == ["l1", "real", "l1", "real"]


def test_another_protocol_is_another_table_that_says_what_differs(tmp_path: Path) -> None:
    folders = [study(tmp_path, "first", 0.4), study(tmp_path, "second", 0.5, window=7)]
    to = tmp_path / "board"
    write_board(folders, to)
    table = pd.read_csv(to / "board.csv")
    assert dict(zip(table.study, table.table, strict=True)) == {"first": 1, "second": 2}
    assert "ssim: window 11 above, 7 here" in (to / "board.md").read_text(encoding="utf-8")
    write_board(folders, to, ignore=["window"])
    assert set(pd.read_csv(to / "board.csv").table) == {1}
    assert "Allowed to differ: window." in (to / "board.md").read_text(encoding="utf-8")


def test_another_judge_is_another_table(tmp_path: Path) -> None:
    folders = [study(tmp_path, "first", 0.4), study(tmp_path, "second", 0.5, judge="bbbb")]
    (blocks,) = boards([read_study(folder, None, tmp_path) for folder in folders]).values()
    assert len(blocks) == 2
    (blocks,) = boards([read_study(f, None, tmp_path) for f in folders], ["judge_hash"]).values()
    assert len(blocks) == 1


def test_each_row_links_to_the_report_of_its_study(tmp_path: Path) -> None:
    folders = [study(tmp_path, "first", 0.4)]
    to = tmp_path / "site" / "board"
    assert invoke(["board", *map(str, folders), "--to", str(to)]) == 0
    page = (to / "index.html").read_text(encoding="utf-8")
    assert '<a href="../../first/report.md">first</a>' in page
    assert (to / "../../first/report.md").is_file()
    assert invoke(["board", *map(str, folders), "--to", str(to), "--base-url", "https://example.org/x/"]) == 0
    assert '"https://example.org/x/first/report.md"' in (to / "index.html").read_text(encoding="utf-8")


def _changed(folder: Path) -> None:
    path = next((folder / "records").glob("l1-s0.json"))
    held = json.loads(path.read_text())
    held["results"]["ssim"]["value"] = 0.99
    path.write_text(json.dumps(held))


def _added(folder: Path) -> None:
    shutil.copy(folder / "records" / "l1-s0.json", folder / "records" / "l1-s9.json")


def _gone(folder: Path) -> None:
    (folder / "records" / "l1-s1.json").unlink()


@pytest.mark.parametrize(("change", "named"), [(_changed, "l1-s0"), (_added, "l1-s9"), (_gone, "l1-s1")])
def test_records_that_were_changed_after_publishing_are_refused(
    tmp_path: Path, change: Callable[[Path], None], named: str
) -> None:
    folder = study(tmp_path, "first", 0.4)
    check_seal(folder)
    change(folder)
    with pytest.raises(
        UsageError, match=rf"as they were published, found {named}\.json changed, added or gone"
    ):
        write_board([folder], tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_a_folder_without_a_seal_or_with_a_broken_one_is_refused(tmp_path: Path) -> None:
    folder = study(tmp_path, "first", 0.4)
    (folder / "seal.json").write_text("{}")
    with pytest.raises(UsageError, match="expected a seal"):
        check_seal(folder)
    (folder / "seal.json").unlink()
    with pytest.raises(UsageError, match=r"expected seal.json in .*bench publish"):
        check_seal(folder)
    write_seal(folder)
    check_seal(folder)


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [study(tmp_path / place, "same", 0.4) for place in ("a", "b")]
    with pytest.raises(UsageError, match="found same twice"):
        write_board(folders, tmp_path / "board")


def test_labels_are_text_on_the_page(tmp_path: Path) -> None:
    folder = study(tmp_path, "first", 0.4)
    write_record(folder, replace(run(result("ssim", 0.4)), label="<b>x"))
    write_seal(folder)
    write_board([folder], tmp_path / "board")
    assert "<b>x" not in (tmp_path / "board" / "index.html").read_text(encoding="utf-8")


def test_the_reference_studies_are_sealed() -> None:
    root = Path(__file__).parents[2] / "reports" / "reference"
    for folder in sorted(path.parent for path in root.glob("*/records")):
        check_seal(folder)

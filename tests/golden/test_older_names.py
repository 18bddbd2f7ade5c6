"""Published folders were written under older names (`bench.records.renamed`): they are read under today's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.claims.ledger import load_ledger
from bench.gate.baseline import read_baseline, save_baseline
from bench.records import renamed
from bench.records.record import read_per_image, read_record, record_path, write_record
from bench.records.reproduction import read_reproduction

OLDER = Path(__file__).parent / "older"  # of the five losses at 8 epochs, as first published
RECORD = OLDER / "records" / "cityscapes-l1-s2-0621eeaec7d0.json"
ROW = "cityscapes/labels2photo/128px/23800 steps/l1"


def test_a_record_of_schema_1_is_read_under_todays_names(tmp_path: Path) -> None:
    raw, read = json.loads(RECORD.read_text()), read_record(RECORD)
    assert (raw["schema_version"], read.schema_version) == (1, 2)
    assert {"l1", "fd_scorer"} <= raw["results"].keys()
    assert read.results.keys() == raw["results"].keys() - {"l1", "fd_scorer"} | {"mae", "fd_lite0"}
    for old, new in (("l1", "mae"), ("fd_scorer", "fd_lite0"), ("ssim", "ssim")):
        assert (read.results[new].name, read.results[new].value) == (new, raw["results"][old]["value"])
        assert read.results[new].interval == tuple(raw["results"][old]["interval"])
    before = raw["results"]["fcn_class_iou"]["protocol"]
    assert read.results["fcn_class_iou"].protocol == {
        name.replace("scorer", "judge"): value for name, value in before.items()
    }
    assert read.results["mae"].protocol["data"] == "uint8 RGB, range 255, mean over pictures"  # data: stays
    assert read.results["diversity"].protocol["images"] == raw["results"]["diversity"]["protocol"]["pictures"]
    assert read.details["judge"] == raw["details"]["scorer"]
    assert read.details["fd_lite0"] == raw["details"]["fd_scorer"]
    assert read.details["scoring"]["judge"] == raw["details"]["scoring"]["scorer"]
    assert read.details["sample_curve"]["mae"] == raw["details"]["sample_curve"]["l1"]
    assert (read.id, read.spec) == (raw["id"], raw["spec"])  # a variant called l1 stays one

    write_record(tmp_path, read)
    assert read_record(record_path(tmp_path, read.id)) == read
    assert "scorer" not in json.dumps(json.loads(record_path(tmp_path, read.id).read_text())["results"])


def test_values_by_image_are_read_under_todays_names() -> None:
    before = pd.read_parquet(RECORD.with_suffix(".parquet"))
    after = read_per_image(OLDER, read_record(RECORD))
    assert after is not None
    today = {"l1": "mae", "fd_scorer_pseudo": "fd_lite0_pseudo"}
    assert [today.get(name, name) for name in before] == list(after)
    for old, new in (("l1", "mae"), ("fd_scorer_pseudo", "fd_lite0_pseudo"), ("ssim", "ssim")):
        assert before[old].equals(after[new])


def test_a_baseline_of_schema_2_is_read_and_written_under_todays_names(tmp_path: Path) -> None:
    raw = json.loads((OLDER / "baseline.json").read_text())
    old = read_baseline(OLDER / "baseline.json")
    assert (raw["schema_version"], raw["ignore_protocol"]) == (2, ["scorer_hash"])
    assert old.ignore_protocol == ("judge_hash",)
    row, stored = old.rows[ROW], raw["rows"][ROW]
    assert row.metrics["mae"].values == tuple(stored["metrics"]["l1"]["values"])
    assert row.metrics["fd_lite0"].values == tuple(stored["metrics"]["fd_scorer"]["values"])
    assert "judge_hash" in row.metrics["fcn_class_iou"].protocol
    assert {"mae", "fd_lite0_pseudo"} <= set(row.tables[0].columns)
    path = tmp_path / "new.json"
    save_baseline(old, path)
    assert json.loads(path.read_text())["schema_version"] == 3
    again = read_baseline(path)
    assert (again.tolerances, again.ignore_protocol) == (old.tolerances, old.ignore_protocol)
    assert again.rows[ROW].metrics == row.metrics
    for one, other in zip(again.rows[ROW].tables, row.tables, strict=True):
        pd.testing.assert_frame_equal(one, other, check_like=True)


def test_claims_of_ones_own_are_read_under_todays_names(tmp_path: Path) -> None:
    claim = """[[claims]]
id = "mine"
sentence = "L1 is closest."
place = "here"
pictures = ["l1"]
[[claims.comparisons]]
a = "l1"
relation = "below"
b = "cgan"
metric = ["l1", "fd_scorer"]
"""
    (tmp_path / "claims.toml").write_text(claim)
    mine = load_ledger([tmp_path / "claims.toml"])[-1]
    assert mine.images == ("l1",)
    assert [(one.a, one.b, one.metric) for one in mine.comparisons] == [
        ("l1", "cgan", "mae"), ("l1", "cgan", "fd_lite0"),
    ]  # fmt: skip


def test_what_came_of_making_a_run_again_is_read() -> None:
    found = read_reproduction(OLDER)
    assert found is not None
    assert (found.images, found.exact, found.passed) == (True, True, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [("scorer", "judge"), ("scorer_hash", "judge_hash"), ("scorer_*", "judge_*"), ("size_px", "size_px")],
)
def test_protocol_fields_and_patterns(old: str, new: str) -> None:
    assert renamed.protocol_field(old) == new


def test_a_plugged_in_metric_of_an_older_name_keeps_it(tmp_path: Path) -> None:
    record = read_record(RECORD)
    own = replace(record.results["ssim"], name="l1")
    both = replace(record, results={**record.results, "l1": own})
    table = read_per_image(OLDER, record)
    assert table is not None
    write_record(tmp_path, both, table.assign(l1=table["ssim"]))
    after = read_per_image(tmp_path, read_record(record_path(tmp_path, record.id)))
    assert after is not None
    assert after["l1"].equals(table["ssim"])
    assert after["mae"].equals(table["mae"])

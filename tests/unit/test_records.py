"""Records: whole on disk, equal when read back, missing never 0 or NaN, and unknown ones refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.core.errors import UsageError
from bench.records import parquet as tables
from bench.records import record as records
from bench.records.record import (
    GalleryFiles,
    MetricResult,
    RunRecord,
    read_record,
    read_records,
    write_record,
)

SPEC = {"data": {"name": "toycity", "direction": "labels2photo"}, "seed": 3, "training": {"size_px": 64}}


def record() -> RunRecord:
    results = [
        MetricResult("ssim", 1 / 3, "max", 100, {"version": 1, "taps": [11, 1.5]}, interval=(0.3, 0.4)),
        MetricResult("hf_ratio", 0.2, 1.0, 100, {"version": 1}),
        MetricResult("fid", None, "min", 100, {}, reason="no weights"),
    ]
    return RunRecord(
        id="toycity-l1-s3", kind="run", label="l1", spec=SPEC, status="finished",
        results={result.name: result for result in results},
        details={
            "per_class_iou": {"road": 0.9, "train": None},
            "spectrum": {"frequency": [1, 2], "ratio": [1.0, 0.5]},
        },
        history=[{"step": 10, "images_seen": 10, "loss_l1": 0.5}],
        timings={"train": 1.5}, environment={"dirty": True, "commit": None},
        gallery=GalleryFiles(("a", "b"), None, "gallery/source", "gallery/target"), created="2026-01-01",
    )  # fmt: skip


def test_a_record_is_equal_after_a_round_trip(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    assert path == tmp_path / "records" / "toycity-l1-s3.json"
    read = read_record(path)
    assert read == record()
    assert (read.dataset, read.direction, read.seed) == ("toycity", "labels2photo", 3)
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # nothing temporary stays


def test_what_a_killed_process_left_is_no_record(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    path.with_name(f".tmp-{path.name}.x1.json").write_text(path.read_text()[:50])
    assert read_records(tmp_path) == [record()]


def test_per_image_values_may_be_matrices(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "fcn_conf": [np.arange(4), np.arange(4)]})
    write_record(tmp_path, record(), frame)
    read = records.read_per_image(tmp_path, record())
    assert read is not None
    assert np.stack(read["fcn_conf"].tolist()).tolist() == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"ssim": [0.5, 0.4]}, "no column of names"),
        ({"name": ["a", "a"]}, "a name twice"),
        ({"name": [1, 2]}, "no column of names"),
        ({"name": ["a", "b"], "ssim": ["x", "y"]}, "column ssim holds .*string"),
        ({"name": ["a", "b"], "ssim": [{"x": 1}, {"x": 2}]}, "column ssim holds struct"),
    ],
)
def test_other_tables_beside_a_record_are_refused(tmp_path: Path, frame: dict[str, Any], said: str) -> None:
    write_record(tmp_path, record(), pd.DataFrame(frame))
    with pytest.raises(UsageError, match=said):
        records.read_per_image(tmp_path, record())


def test_a_table_of_billions_of_equal_values_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_VALUES", 10_000)
    frame = pd.DataFrame({"name": "a", "ssim": np.zeros(20_000)})
    write_record(tmp_path, record(), frame)
    assert records.per_image_path(tmp_path, record().id).stat().st_size < 10_000
    with pytest.raises(UsageError, match=r"40,00\d values in 20,000 rows"):
        records.read_per_image(tmp_path, record())


def test_per_image_values_are_parquet_beside_it(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "ssim": [0.5, np.nan]})
    write_record(tmp_path, record(), frame)
    pd.testing.assert_frame_equal(records.read_per_image(tmp_path, record()), frame)
    assert records.read_per_image(tmp_path, replace(record(), id="other")) is None
    records.per_image_path(tmp_path, record().id).write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"toycity-l1-s3\.parquet.*delete it and .*toycity-l1-s3\.json"):
        records.read_per_image(tmp_path, record())


def test_all_records_of_an_output_in_order(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none: run `bench run"):
        read_records(tmp_path)
    for name in ("b", "a"):
        write_record(tmp_path, replace(record(), id=name))
    failed = replace(record(), id="c", status="failed", error="out of memory", results={})
    write_record(tmp_path, failed)
    everything = read_records(tmp_path)
    assert [entry.id for entry in everything] == ["a", "b", "c"]
    assert [entry.id for entry in records.finished(everything)] == ["a", "b"]


def test_a_reference_row_has_no_seed(tmp_path: Path) -> None:
    spec = {"data": SPEC["data"], "training": {"size_px": 64}, "row": "real"}
    row = replace(record(), kind="reference", label="real", spec=spec)
    assert read_record(write_record(tmp_path, row)).seed is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_value(value: float) -> None:
    with pytest.raises(ValueError, match="no result"):
        MetricResult("ssim", value, "max", 1, {})


@pytest.mark.parametrize(("value", "reason"), [(None, None), (0.5, "but")])
def test_a_value_or_a_reason(value: float | None, reason: str | None) -> None:
    with pytest.raises(ValueError, match="not both or neither"):
        MetricResult("ssim", value, "max", 1, {}, reason=reason)


def test_nan_anywhere_in_a_record_is_not_written(tmp_path: Path) -> None:
    broken = replace(record(), details={"spectrum": {"ratio": [math.nan]}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path, broken)
    assert not (tmp_path / "records").exists() or not list((tmp_path / "records").iterdir())


def change(edit: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        content = json.loads(text)
        edit(content)
        return json.dumps(content)

    return apply


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: "", "expected a JSON record"),
        (lambda text: text[: len(text) // 2], "expected a JSON record"),
        (lambda text: "[" * 100_000, "expected a JSON record"),
        (lambda text: "[]", "no"),
        (change(lambda c: c.pop("schema_version")), "schema_version"),
        (change(lambda c: c.update(schema_version=99)), "found 99"),
        (change(lambda c: c.update(schema_version="1")), "found '1'"),
        (change(lambda c: c.pop("results")), "damaged"),
        (change(lambda c: c.update(results=None)), "damaged"),
        (change(lambda c: c["results"]["ssim"].pop("interval")), "damaged"),
        (change(lambda c: c["results"]["ssim"].update(value=math.nan)), "damaged"),
        (change(lambda c: c["results"]["fid"].update(reason=None)), "damaged"),
        (change(lambda c: c["results"]["fid"].update(colour="red")), "damaged"),
        (change(lambda c: c.pop("spec")), "damaged"),
        (change(lambda c: c["spec"].pop("data")), "damaged"),
        (change(lambda c: c.update(spec=[])), "damaged"),
        (change(lambda c: c.update(extra=1)), "damaged"),
        (change(lambda c: c["gallery"].pop("names")), "damaged"),
        (change(lambda c: c.update(schema_version=True)), "found True"),
        (lambda text: text.replace("0.5", "1e999"), "damaged"),
        (lambda text: text.replace("0.5", "[" * 900 + "]" * 900), "record"),
    ],
)
def test_what_is_no_record_is_refused_by_name(spoil: Callable[[str], str], said: str, tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    path.write_text(spoil(path.read_text()))
    with pytest.raises(UsageError, match=said) as caught:
        read_records(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "delete it and run again" in str(caught.value)  # running again stops at the record


HUGE = 10**400
DAMAGE: list[tuple[str, Any]] = [
    ("id", 1),
    ("kind", "weird"),
    ("kind", []),
    ("status", "unknown"),
    ("status", None),
    ("label", ["l1"]),
    ("created", None),
    ("error", 1),
    ("results", []),
    ("results.ssim", 1),
    ("results.ssim.value", True),
    ("results.ssim.value", "0.5"),
    ("results.ssim.value", math.nan),
    ("results.ssim.value", HUGE),
    ("results.ssim.n", "many"),
    ("results.ssim.n", True),
    ("results.ssim.n", 2**63),
    ("results.ssim.goal", "foo"),
    ("results.ssim.goal", True),
    ("results.ssim.goal", None),
    ("results.ssim.goal", math.inf),
    ("results.ssim.protocol", None),
    ("results.ssim.protocol.version", math.nan),
    ("results.ssim.reason", 3),
    ("results.ssim.interval", [1]),
    ("results.ssim.interval", []),
    ("results.ssim.interval", [0, 1, 2]),
    ("results.ssim.interval", [0, True]),
    ("results.ssim.interval", [0, None]),
    ("results.ssim.interval", "ab"),
    ("spec", 1),
    ("spec.data", []),
    ("spec.data.name", None),
    ("spec.data.direction", 1),
    ("spec.data.source", 1),
    ("spec.data.train_n", "all"),
    ("spec.data.test_n", 1.5),
    ("spec.data.test_fingerprint", 7),
    ("spec.seed", "3"),
    ("spec.seed", 1.5),
    ("spec.seed", True),
    ("spec.training", 3),
    ("spec.training", None),
    ("spec.training.size_px", "big"),
    ("spec.training.size_px", None),
    ("spec.training.size_px", True),
    ("spec.training.steps", "many"),
    ("spec.training.batch_size", [1]),
    ("spec.variant", None),
    ("spec.test", [1]),
    ("details", None),
    ("details", []),
    ("details.spectrum", 3),
    ("details.spectrum", {"ratio": [1.0]}),
    ("details.spectrum.ratio", 1),
    ("details.spectrum.frequency[0]", None),
    ("details.per_class_iou", [1]),
    ("details.per_class_iou.road", "good"),
    ("details.lab_histograms", 1),
    ("details.lab_histograms.l", {"edges": [0, 1]}),
    ("details.lab_histograms.l.edges", [0, 1]),
    ("details.lab_histograms.l.target", ["a", "b"]),
    ("details.sample_curve", []),
    ("details.sample_curve.mae", {"n": [4]}),
    ("details.sample_curve.mae.n[0]", 1.5),
    ("details.sample_curve.mae", {"n": [4, 8], "value": [1.0], "low": [None], "high": [None]}),
    ("details.judge", "fcn-small"),
    ("details.judge.held_out", 1),
    ("details.judge.held_out.pixel_acc", "0.8"),
    ("details.data", [1]),
    ("details.data.void_share", "some"),
    ("details.scoring", 1),
    ("details.scoring.metrics", None),
    ("details.plugged[1]", math.nan),
    ("history", "x"),
    ("history", None),
    ("history[0]", 1),
    ("history[0].loss_l1", "x"),
    ("history[0].loss_l1", None),
    ("timings", []),
    ("timings.train", "x"),
    ("timings.train", True),
    ("environment", []),
    ("environment.packages", []),
    ("environment.threads", -math.inf),
    ("gallery", []),
    ("gallery.names", "ab"),
    ("gallery.names[0]", 1),
    ("gallery.predictions", 1),
    ("gallery.sources", None),
]


def full() -> RunRecord:
    """A record with every part that the reports look into."""
    training = {"steps": 10, "size_px": 64, "batch_size": 1}
    histogram = {"edges": [0, 1.5, 2], "prediction": [0, 1], "target": [0.5, 0.5]}
    details = {
        "per_class_iou": {"road": 0.9, "train": None},
        "spectrum": {"frequency": [1, 2], "ratio": [None, 0.5]},
        "lab_histograms": {"l": histogram},
        "sample_curve": {"mae": {"n": [4, 8], "value": [3.0, 2.5], "low": [2.0, None], "high": [4.0, None]}},
        "judge": {"network": "fcn-small", "held_out": {"pixel_acc": 0.8, "class_iou": None}},
        "scoring": {"metrics": ["ssim"], "judge": None},
        "data": {"void_share": None},
        "plugged": [1, 2.5],
    }
    spec = {**SPEC, "training": training, "variant": {"name": "l1"}, "test": {"dropout": True}}
    environment = {"packages": {"torch": None}, "threads": 1}
    return replace(record(), spec=spec, details=details, environment=environment)


def put(content: Any, where: str, value: Any) -> None:
    *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", where)]
    for part in parents:
        content = content[part]
    content[last] = value


@pytest.mark.parametrize(("where", "value"), DAMAGE)
def test_a_damaged_record_is_refused_with_the_place(where: str, value: Any, tmp_path: Path) -> None:
    path = write_record(tmp_path, full())
    content = json.loads(path.read_text())
    put(content, where, value)
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError) as caught:
        read_record(path)
    said = str(caught.value)
    assert said.startswith(f"record {path} is damaged (")
    assert said.endswith("): delete it and run again")
    assert where.split(".held_out")[0] in said
    assert len(said.splitlines()) == 1
    assert len(said) < 300 + len(str(path))


def test_all_that_the_project_writes_is_read(tmp_path: Path) -> None:
    foreign = replace(full(), spec=SPEC, details={}, history=[], timings={}, environment={}, gallery=None)
    for held in (full(), foreign, replace(foreign, status="diverged", error="NaN", results={})):
        assert read_record(write_record(tmp_path, held)) == held


def test_a_name_over_several_lines_stays_one_line(tmp_path: Path) -> None:
    path = write_record(tmp_path, full())
    path.write_text(change(lambda c: c["timings"].update({"a\nb": "c\nd"}))(path.read_text()))
    with pytest.raises(UsageError, match="damaged") as caught:
        read_record(path)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="expected a JSON record"):
        read_record(path)

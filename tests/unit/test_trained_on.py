"""A row that was trained on the features that score it: marked, said, and not ranked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.analysis.entry import Entry
from bench.analysis.sections import Section, sections
from bench.analysis.trained_on import LITE0, MARK
from bench.records.record import MetricResult, RunRecord
from bench.report.tables import comparison
from bench.scoring.metrics.fd_lite0 import FdLite0Metric
from bench.scoring.metrics.lite0_features import default_feature_network

DATA = {"name": "toycity", "direction": "labels2photo", "source": "paired", "test_n": 40}

PROTOCOL = {"network": "LPIPS 0.1, AlexNet"}


def record(label: str, fd: float, iou: float, **variant: Any) -> RunRecord:
    judged = {"judge": "fcn-lite0", "judge_hash": "a1"}
    results = {
        "fd_lite0": MetricResult("fd_lite0", fd, "min", 40, {"network": LITE0}),
        "fcn_class_iou": MetricResult("fcn_class_iou", iou, "max", 40, judged, interval=(iou, iou)),
    }
    spec = {
        "data": {**DATA, "train_n": 400, "train_fingerprint": "a", "test_fingerprint": "b"},
        "training": {"size_px": 64, "steps": 10, "batch_size": 1},
        "variant": {"name": label, **variant},
        "seed": 0,
    }
    return RunRecord(f"{label}-0", "run", label, spec, "finished", results)


def section(**variant: Any) -> Section:
    rows = [record("plain", 50.0, 0.2), record("other", 60.0, 0.1), record("perceptual", 9.0, 0.3, **variant)]
    (made,) = sections([Entry(one) for one in rows])
    return made


def test_fd_of_a_row_trained_on_its_features_is_marked_and_does_not_lead() -> None:
    made = section(lambda_perceptual=10.0)
    table = comparison(made)
    place = [column.info.key for column in table.columns].index("fd_lite0")
    cells = {row.label: row.cells[place] for row in table.rows}
    assert table.footnotes == [MARK]
    assert cells["perceptual"].notes == (1,)
    assert cells["perceptual"].text.startswith("9")  # shown all the same
    assert not any(cell.best for cell in cells.values())
    assert [row.label for row in made.ranked(table.columns[place])] == ["plain", "other"]
    (said,) = [one for one in table.statements if "starts from" in one]
    assert said.startswith("The judge fcn-lite0 starts from the features that perceptual was trained on")


def test_other_features_and_no_perceptual_loss_rank_as_ever() -> None:
    for variant in ({}, {"lambda_perceptual": 10.0, "perceptual": "vgg16", "perceptual_sha256": "ab"}):
        made = section(**variant)
        table = comparison(made)
        column = next(one for one in table.columns if one.info.key == "fd_lite0")
        assert [row.label for row in made.ranked(column)] == ["perceptual", "plain", "other"]
        assert table.footnotes == []
        assert not any("starts from" in one for one in table.statements)


def test_lpips_of_a_row_trained_on_alexnet_is_marked() -> None:
    rows = [record("plain", 50.0, 0.2), record("mine", 9.0, 0.3, lambda_perceptual=1.0, perceptual="alexnet")]
    lpips = {"plain": 0.4, "mine": 0.1}
    rows = [
        replace(row, results={"lpips": MetricResult("lpips", lpips[row.label], "min", 40, PROTOCOL)})
        for row in rows
    ]
    (made,) = sections([Entry(one) for one in rows])
    (column,) = made.columns
    assert [row.label for row in made.ranked(column)] == ["plain"]


def test_alone_in_a_column_it_leads_nothing() -> None:
    (made,) = sections([Entry(record("perceptual", 9.0, 0.3, lambda_perceptual=1.0))])
    assert "fd_lite0" not in comparison(made).standings


def test_the_network_is_named_as_its_protocol_names_it() -> None:
    assert default_feature_network("cpu").protocol["network"] == LITE0
    assert FdLite0Metric.__module__ == "bench.scoring.metrics.fd_lite0"

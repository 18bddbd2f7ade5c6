"""Published scores: found by variant, marked by how well they are known, never mixed in."""

from __future__ import annotations

from pathlib import Path

import synthetic

from bench.analysis.entry import Entry
from bench.analysis.sections import sections
from bench.report.published_scores import published_scores
from bench.report.published_view import published
from bench.report.render import write_report


def test_table_1() -> None:
    (score, figure, other) = published_scores("l1+cgan", "cityscapes", "labels2photo", batch_size=1)
    assert score.values == {"fcn_pixel_acc": 0.66, "fcn_class_acc": 0.23, "fcn_class_iou": 0.17}
    assert (score.paper, score.table, score.mark) == ("Isola et al. 2017", "table 1", "")
    assert figure.values == {"lab_l": 0.86, "lab_a": 0.84, "lab_b": 0.82}
    assert other.mark == "quoted from a second source"


def test_batch_size_chooses_the_table() -> None:
    tables = [s.table for s in published_scores("l1", "cityscapes", "labels2photo", batch_size=10)]
    assert tables == ["table 2"]
    assert "table 1" in [s.table for s in published_scores("l1", "cityscapes", "labels2photo", batch_size=4)]


def test_what_people_said_of_maps_and_colourisation() -> None:
    (map_to_aerial,) = published_scores("l1+cgan", "maps", "map2aerial", batch_size=1)
    assert map_to_aerial.values == {"people_fooled": 0.189}
    assert map_to_aerial.mark == "recalled, not verified"
    (gray,) = published_scores("l1+cgan", "birds", "source2target", source="gray")
    assert (gray.table, gray.values) == ("table 5", {"people_fooled": 0.225})
    assert published_scores("l1+cgan", "birds", "source2target") == ()


def test_cyclegan_stands_beside_pix2pix_as_its_paper_measured_both(tmp_path: Path) -> None:
    """Zhu et al. 2017, table 2."""
    scores = {
        label: [
            list(score.values.values())
            for score in published_scores(label, "cityscapes", "labels2photo", batch_size=1)
            if score.paper == "Zhu et al. 2017"
        ]
        for label in ("cyclegan", "l1+cgan")
    }
    assert scores == {"cyclegan": [[0.52, 0.17, 0.11]], "l1+cgan": [[0.71, 0.25, 0.18]]}
    for label in scores:
        results, _ = synthetic.results("l1+cgan", 0)
        synthetic.write_run(
            tmp_path, label, 0, dataset="cityscapes", direction="labels2photo", results=results, details={}
        )
    write_report([tmp_path], tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    for line in ("0.52 | 0.17 | 0.11", "0.71 | 0.25 | 0.18"):
        assert line in page


def test_other_data_have_none() -> None:
    assert published_scores("l1", "toycity", "labels2photo") == ()
    assert published_scores("l1+cgan[lambda_l1=10]", "cityscapes", "labels2photo") == ()


def test_recalled_numbers_are_marked() -> None:
    (score,) = published_scores("l1", "cityscapes", "photo2labels")
    assert score.status == "memory"
    assert score.mark == "recalled, not verified"


def test_marks_reach_the_page(tmp_path: Path) -> None:
    keys = {
        "fcn_pixel_acc": "label_pixel_acc",
        "fcn_class_acc": "label_class_acc",
        "fcn_class_iou": "label_class_iou",
    }
    measured, _ = synthetic.results("l1+cgan", 0)
    results = {new: type(measured[old])(new, measured[old].value, "max", 40, {}) for old, new in keys.items()}
    synthetic.write_run(
        tmp_path, "l1+cgan", 0, dataset="cityscapes", direction="photo2labels", results=results, details={}
    )
    files = write_report([tmp_path], tmp_path / "report")
    html = files.html.read_text(encoding="utf-8")
    assert "Isola et al. 2017, table 6 <em>(recalled, not verified)</em>" in html
    assert "<em>0.83</em>" in html
    assert "Zhu et al. 2017, table 3 <em>(quoted from a second source)</em>" in html
    assert "Isola et al. 2017, table 6 (*recalled, not verified*)" in files.markdown.read_text(
        encoding="utf-8"
    )


def test_rows_stand_beside_measured_ones_with_both_protocols(tmp_path: Path) -> None:
    records = synthetic.write_output(tmp_path, "cityscapes")
    (section,) = sections([Entry(record, tmp_path) for record in records])
    fcn, colour = published(section)
    assert [(row.label, row.origin) for row in fcn.rows][:4] == [
        ("l1", "measured here"),
        ("", "Isola et al. 2017, table 1"),
        ("cgan", "measured here"),
        ("", "Isola et al. 2017, table 1"),
    ]
    assert fcn.rows[1].cells == ("0.42", "0.15", "0.11")
    assert any("FCN-8s" in protocol and "1024 x 2048" in protocol for _, _, protocol in fcn.protocols)
    assert [column.info.key for column in colour.columns] == ["lab_l", "lab_a"]

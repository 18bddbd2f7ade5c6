"""The report's part on validation: means over seeds, the last step beside the scored one, the gap's sign."""

from __future__ import annotations

from typing import Any

from bench.analysis.entry import Entry
from bench.analysis.sections import Section, sections
from bench.records.record import MetricResult, RunRecord
from bench.report.plots.colours import looks, variant_colours
from bench.report.plots.style import style
from bench.report.plots.validation import validation_curves
from bench.report.validation_view import validation_view

DATA = {"name": "toycity", "direction": "labels2photo", "test_n": 4, "test_fingerprint": "t", "val_n": 5}
GOALS = {"ssim": "max", "mae": "min", "hf_ratio": 1.0}


def record(seed: int, chosen: int | None, **gap: Any) -> RunRecord:
    """A run of 30 steps with points at 10, 20, 30; SSIM is 0.1, 0.2 and 0.3, plus a tenth of the seed."""
    points = [
        {
            **{"step": step, "images_seen": step, "seconds": 1.0, "ssim": step / 100 + seed / 10},
            **{"mae": 50.0 - step, "hf_ratio": None},
        }
        for step in (10, 20, 30)
    ]
    validation = {
        **{"origin": "held out", "n": 5, "every": 10, "choice": "best:ssim" if chosen else "last"},
        **{"chosen_step": chosen or 30, "last_step": 30, "goals": GOALS, "points": points},
        **{"reasons": {"hf_ratio": "none"}, "gap": gap or None},
    }
    spec = {"data": DATA, "variant": {"name": "l1"}, "seed": seed, "training": {"size_px": 32, "steps": 30}}
    choice = {"choice": {"metric": "ssim", "every": 10}} if chosen else {}
    results = {"ssim": MetricResult("ssim", 0.5, "max", 4, {})}
    return RunRecord(
        f"run-{seed}", "run", "l1", {**spec, **choice}, "finished", results, {"validation": validation}
    )


def section(*records: RunRecord) -> Section:
    (made,) = sections([Entry(one, None) for one in records])
    return made


def test_means_over_seeds_and_the_gap_of_each_goal() -> None:
    gap = {
        "n": 4,
        "train": {"ssim": 0.6, "mae": 10.0, "hf_ratio": 0.9},
        "test": {"ssim": 0.5, "mae": 12.0, "hf_ratio": 1.3},
    }
    view = validation_view(section(record(0, 10, **gap), record(1, 20, **gap)))
    assert view is not None
    (row,) = view.rows
    assert row.steps == "10 of 30 (seed 0), 20 of 30 (seed 1)"
    lines = {line.title.split()[0]: line for line in row.lines}
    ssim, mae, ratio = lines["SSIM"], lines["MAE"], lines["HF"]
    assert (ssim.scored, ssim.last) == ("0.2000", "0.3500")  # (0.1 + 0.3) / 2, (0.3 + 0.4) / 2
    assert (ssim.train, ssim.test, ssim.gap) == ("0.6000", "0.5000", "+0.1000")
    assert (mae.scored, mae.gap) == ("35.000", "+2.000")  # less is better: 2 better on training images
    assert (ratio.scored, ratio.gap) == ("–", "+0.2000")  # 0.1 from 1, against 0.3
    assert "departure" in " ".join(view.about)


def test_one_step_for_all_seeds_is_said_once_and_the_last_is_the_papers() -> None:
    view = validation_view(section(record(0, None), record(1, None)))
    assert view is not None
    assert view.rows[0].steps == "30 of 30"
    assert "as in the paper" in " ".join(view.about)
    assert {line.gap for line in view.rows[0].lines} == {"–"}


def test_runs_without_validation_have_no_such_part_and_no_figure() -> None:
    plain = record(0, None)
    plain.details.clear()
    made = section(plain)
    assert validation_view(made) is None
    with style():
        assert validation_curves(made, looks(variant_colours(["l1"]))) is None


def test_the_figure_has_a_panel_for_each_metric_with_values_and_a_ring_at_the_step() -> None:
    made = section(record(0, 10), record(1, 20))
    with style():
        drawing = validation_curves(made, looks(variant_colours(["l1"])))
    assert drawing is not None
    axes = drawing.figure.axes
    assert [ax.get_title(loc="left") for ax in axes] == ["SSIM, validation", "MAE, validation"]
    rings = [line for line in axes[0].lines if line.get_markersize() == 9]
    assert [(r.get_xdata()[0], round(r.get_ydata()[0], 6)) for r in rings] == [(10, 0.1), (20, 0.3)]


def test_a_choice_of_step_makes_another_row() -> None:
    made = section(record(0, None), record(1, 10))
    assert len(made.rows) == 2
    assert all("choice" in row.label for row in made.rows)

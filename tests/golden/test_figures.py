"""Figures by their data: what stands where, in whose look, and what the caption owns up to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic
from matplotlib.colors import to_hex

from bench.analysis.entry import load_entries
from bench.analysis.sections import Section, sections
from bench.analysis.sweep_lines import sweep
from bench.records.record import RunRecord, write_record
from bench.report.plots.bars import metric_bars
from bench.report.plots.colours import looks, variant_colours
from bench.report.plots.samples import sample_curves
from bench.report.plots.style import MAX_LINES, MAX_ROWS, Drawing, finish, plain, style
from bench.report.plots.sweeps import length_curve, sweep_figure
from bench.report.plots.tradeoff import trade_off
from bench.report.plots.training import training_curves


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with style():
        yield


def read(out: Path) -> tuple[Section, Any]:
    (section,) = sections(load_entries([out])[0])
    return section, looks(variant_colours(row.label for row in section.rows))


def run(out: Path, label: str, seed: int = 0, **fields: Any) -> RunRecord:
    return synthetic.write_run(out, label, seed, gallery=None, **fields)


def swept(out: Path, label: str, seed: int = 0, **variant: Any) -> None:
    """A run of `label` with fields of its variant replaced, named as the grid names it."""
    name = f"{label}[{','.join(f'{k}={v:g}' for k, v in variant.items())}]" if variant else label
    record = run(out, label, seed, id=f"{name}-{seed}", details={}, history=[])
    spec = {**record.spec, "variant": {**record.spec["variant"], **variant}}
    write_record(out, replace(record, label=name, spec=spec))


def legend_of(drawing: Drawing) -> list[str]:
    return [text.get_text() for text in drawing.figure.legends[0].get_texts()]


def test_bars_are_the_means_in_the_colours_of_their_rows(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    record = run(tmp_path, "gan", details={}, history=[])
    write_record(tmp_path, replace(record, results={"ssim": record.results["ssim"]}))
    section, known = read(tmp_path)
    (drawing,) = metric_bars(section, known)
    for ax, column in zip(drawing.figure.axes, section.columns, strict=True):
        bars = {round(bar.get_y() + bar.get_height() / 2): bar for bar in ax.patches}
        for place, row in enumerate(section.rows):
            mean = row.cells[column.id].mean
            if mean is None:
                assert place not in bars or not bars[place].get_width() > 0
                continue
            assert bars[place].get_width() == pytest.approx(mean)
            assert to_hex(bars[place].get_facecolor()) == known[row.label].colour
            seeds = [
                float(x)
                for line in ax.lines
                if line.get_marker() == "o"
                for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
                if round(y) == place
            ]
            values = row.cells[column.id].values
            assert seeds == (list(values) if len(values) > 1 else [])
            ends = [(low[0], high[0]) for low, high in intervals_at(ax, place)]
            assert ends == [row.cells[column.id].interval] * (row.cells[column.id].interval is not None)


def intervals_at(ax: Any, place: int) -> list[Any]:
    """The thin lines of a bar chart at a place, as pairs of ends."""
    found = [path.vertices for held in ax.collections for path in held.get_paths()]
    return [ends for ends in found if ends[0][1] == place]


def lines_by_marker(ax: Any) -> dict[str, Any]:
    return {line.get_marker(): line for line in ax.lines}


def test_trade_off_has_a_point_a_variant_and_its_seeds(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    section, known = read(tmp_path)
    drawing = trade_off(section, known)
    assert drawing is not None
    (ax,) = drawing.figure.axes
    assert ax.get_xlabel() == "MAE (lower is better)"
    assert ax.get_ylabel() == "FD (Lite0) (lower is better)"
    assert ax.get_title() == "" and ax.get_title(loc="left") == "better: ↙"  # noqa: PT018
    for row in section.rows:
        where = (row.cells["mae"].mean, row.cells["fd_lite0"].mean)
        (point,) = [line for line in ax.lines if line.get_marker() == known[row.label].marker
                    and line.get_markersize() == 8]  # fmt: skip
        assert (point.get_xdata()[0], point.get_ydata()[0]) == where
        assert point.get_color() == known[row.label].colour
        assert any(tuple(line.get_xdata()) == row.cells["mae"].values for line in ax.lines)
    assert legend_of(drawing)[:3] == ["l1", "cgan", "l1+cgan"]
    shown, said = " ".join(legend_of(drawing)), drawing.caption
    for name in ("real", "copy", "nearest", "random"):  # each is either drawn or said to be far outside
        assert (name in shown) != (f"{name} (" in said.partition("Far outside")[2])


def test_trade_off_points_the_other_way_for_metrics_to_maximise(tmp_path: Path) -> None:
    for label in ("l1", "cgan"):
        record = run(tmp_path, label, details={}, history=[])
        kept = {key: record.results[key] for key in ("ssim", "fcn_class_iou")}
        write_record(tmp_path, replace(record, results=kept))
    section, known = read(tmp_path)
    drawing = trade_off(section, known)
    assert drawing is not None
    assert drawing.figure.axes[0].get_title(loc="left") == "better: ↗"


def test_sample_curve_is_the_mean_over_seeds_with_its_band(tmp_path: Path) -> None:
    curves = [
        {"n": [10, 20, 40], "value": [3.0, 2.0, 1.0], "low": [2.0, 1.5, None], "high": [5.0, 2.5, None]},
        {"n": [10, 20, 40], "value": [5.0, 4.0, 3.0], "low": [4.0, 3.5, None], "high": [6.0, 4.5, None]},
    ]
    for seed, curve in enumerate(curves):
        run(tmp_path, "l1", seed, details={"sample_curve": {"fd_lite0": curve}}, history=[])
    section, known = read(tmp_path)
    drawing = sample_curves(section, known)
    assert drawing is not None
    (ax,) = drawing.figure.axes
    line = lines_by_marker(ax)[known["l1"].marker]
    assert list(line.get_xdata()) == [10, 20, 40]
    assert list(line.get_ydata()) == [4, 3, 2]
    corners = {tuple(map(float, corner)) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {(10, 3), (10, 5.5), (20, 2.5), (20, 3.5), (40, 2)} <= corners
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["10", "20", "40"]


def test_no_sample_curve_without_data(tmp_path: Path) -> None:
    run(tmp_path, "l1", details={"sample_curve": {}}, history=[])
    assert sample_curves(*read(tmp_path)) is None


def test_training_curve_is_the_mean_of_its_thin_seeds(tmp_path: Path) -> None:
    for seed, level in enumerate((1.0, 3.0)):
        history = [{"step": s, "images_seen": s, "loss_l1": level} for s in range(1, 501)]
        run(tmp_path, "l1", seed, details={}, history=history)
    section, known = read(tmp_path)
    drawing = training_curves(section, known)
    assert drawing is not None
    (ax,) = drawing.figure.axes
    assert sorted(set(line.get_ydata()).pop() for line in ax.lines) == [
        127.5,
        255.0,
        382.5,
    ]  # grey levels, as tables show the MAE
    mean = next(line for line in ax.lines if line.get_ydata()[0] == 255.0)
    assert mean.get_linewidth() > 2 * ax.lines[0].get_linewidth()
    assert mean.get_xdata()[-1] == 500  # thinned, but to its end
    assert len(mean.get_xdata()) <= 150
    assert "thin lines: single seeds" in drawing.caption


def test_ten_variants_differ_without_colour() -> None:
    found = looks(variant_colours(f"v{i}" for i in range(30)))
    assert len({(str(look.dash), look.marker) for look in found.values()}) == 30
    assert len({look.colour for look in list(found.values())[:10]}) == 10


def test_a_variant_keeps_its_look_in_every_figure(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    section, known = read(tmp_path)
    for maker in (training_curves, trade_off):
        drawing = maker(section, known)
        assert drawing is not None
        handles = drawing.figure.legends[0].legend_handles
        shown = dict(zip(legend_of(drawing), handles, strict=True))
        for label in ("l1", "cgan", "l1+cgan"):
            assert shown[label].get_color() == known[label].colour
            assert shown[label].get_marker() == known[label].marker


def test_sweep_joins_rows_that_differ_in_the_field_alone(tmp_path: Path) -> None:
    for seed in (0, 1):
        for weight in (1.0, 10.0):
            swept(tmp_path, "l1+cgan", seed, lambda_l1=weight)
        for label in ("l1+cgan", "cgan", "l1"):
            swept(tmp_path, label, seed)
    section, known = read(tmp_path)
    found = sweep(section, "lambda_l1", ["ssim", "fd_lite0"])
    assert found is not None
    assert found.values == (0.0, 1.0, 10.0, 100.0)
    assert found.logarithmic
    line = next(line for line in found.lines if line.label == "l1+cgan")
    assert [row.label for _, row in line.points] == [
        "cgan", "l1+cgan[lambda_l1=1]", "l1+cgan[lambda_l1=10]", "l1+cgan",
    ]  # fmt: skip
    drawing = sweep_figure(section, found, known)
    assert drawing is not None
    assert [ax.get_title(loc="left") for ax in drawing.figure.axes] == ["SSIM ↑", "FD (Lite0) ↓"]
    drawn = lines_by_marker(drawing.figure.axes[0])[known["l1+cgan"].marker]
    assert list(drawn.get_xdata()) == [0, 1, 10, 100]
    assert list(drawn.get_ydata()) == [row.cells["ssim"].mean for _, row in line.points]
    assert drawing.figure.axes[0].get_xscale() == "symlog"
    assert "cgan is l1+cgan at 0" in drawing.caption
    assert legend_of(drawing) == ["l1+cgan"]  # l1 has one point: nothing to join


def test_length_curve_where_one_variant_has_several_budgets(tmp_path: Path) -> None:
    for steps in (100, 200, 400):
        run(tmp_path, "l1", steps=steps, details={}, history=[])
    section, known = read(tmp_path)
    drawing = length_curve(section, known)
    assert drawing is not None
    assert drawing.title == "Quality by length of training"
    marker = known[section.rows[0].label].marker
    assert all(list(lines_by_marker(ax)[marker].get_xdata()) == [100, 200, 400] for ax in drawing.figure.axes)
    one = tmp_path / "one"
    run(one, "l1", details={}, history=[])
    assert length_curve(*read(one)) is None


def test_words_get_a_place_each(tmp_path: Path) -> None:
    for generator in ("unet", "encdec"):
        record = run(tmp_path, "l1+cgan", id=generator, details={}, history=[])
        spec = {**record.spec, "variant": {**record.spec["variant"], "generator": generator}}
        name = "l1+cgan" if generator == "unet" else "encdec:l1+cgan"
        write_record(tmp_path, replace(record, label=name, spec=spec))
    section, known = read(tmp_path)
    found = sweep(section, "generator", ["ssim"])
    assert found is not None
    assert not found.numeric
    drawing = sweep_figure(section, found, known)
    assert drawing is not None
    ticks = [tick.get_text() for tick in drawing.figure.axes[0].get_xticklabels()]
    assert sorted(ticks) == ["encdec", "unet"]


def test_many_rows_are_cut_and_the_caption_says_so(tmp_path: Path) -> None:
    for i in range(MAX_ROWS + 6):
        run(tmp_path, f"v{i:02d}", details={}, history=synthetic.history("l1", 0) if i < 20 else [])
    section, known = read(tmp_path)
    (bars, *_), curves = metric_bars(section, known), training_curves(section, known)
    assert curves is not None
    assert f"The first {MAX_ROWS} of {MAX_ROWS + 6} rows." in bars.caption
    assert len(bars.figure.axes[0].get_yticks()) == MAX_ROWS
    assert len(legend_of(curves)) == MAX_LINES


def test_many_metrics_are_drawn_in_figures_that_fit_a_page(tmp_path: Path) -> None:
    synthetic.write_every_metric(tmp_path)
    (section,) = sections(load_entries([tmp_path])[0])
    drawings = metric_bars(section, looks(variant_colours(row.label for row in section.rows)))
    assert [one.key for one in drawings] == ["s1-metrics", "s1-metrics-2"]
    assert [one.title for one in drawings] == [f"Metrics by variant ({n} of 2)" for n in (1, 2)]
    drawn = [ax.get_title(loc="left").split(" ↑")[0] for one in drawings for ax in one.figure.axes]
    assert [words.split(" ↓")[0].split(" →")[0] for words in drawn] == [c.title for c in section.columns]
    assert all(one.figure.get_figheight() < 9 for one in drawings)  # a page of Letter is 11 inches high


def test_hostile_labels_stay_text(tmp_path: Path) -> None:
    labels = ["$x_1$", "<b>bold</b>", "_hidden", "w" * 80 + "[lr=1]", "w" * 80 + "[lr=2]", "a&b c"]
    for label in labels:
        run(tmp_path, label, id=f"r{labels.index(label)}", details={})
    section, known = read(tmp_path)
    drawing = training_curves(section, known)
    assert drawing is not None
    plot = finish(drawing)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg)
    assert "$x_1$" in texts
    assert "&lt;b&gt;bold&lt;/b&gt;" in texts
    assert "a&amp;b c" in texts
    assert sum(text.endswith("=1]") or text.endswith("=2]") for text in texts) == 2
    assert "var(--ink)" in plot.svg
    assert plot.pdf.startswith(b"%PDF")
    assert plot.png.startswith(b"\x89PNG")
    assert finish(drawing, frozenset(["svg"])).pdf == b""


def test_plain_keeps_both_ends() -> None:
    assert plain("short") == "short"
    assert plain("a\n\x07b") == "a  b"
    long = plain("l1+cgan" + "x" * 60 + "[lambda_l1=10]")
    assert len(long) == 36
    assert long.startswith("l1+cgan")
    assert long.endswith("[lambda_l1=10]")

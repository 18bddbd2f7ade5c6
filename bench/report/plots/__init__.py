"""The figures of a section, one module a subject: a function draws one figure or finds no data for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.analysis.sections import Section
from bench.analysis.sweep_lines import Sweep
from bench.report.plots.bars import metric_bars
from bench.report.plots.classes import class_heat_map
from bench.report.plots.colours import Looks, looks
from bench.report.plots.judge_card import judge_card_figure
from bench.report.plots.samples import sample_curves
from bench.report.plots.spectra import colour_histograms, spectra
from bench.report.plots.style import ALL_IMAGES, Drawing, Plot, finish, style
from bench.report.plots.sweeps import length_curve, sweep_figure
from bench.report.plots.tradeoff import trade_off
from bench.report.plots.training import training_curves
from bench.report.plots.validation import validation_curves

_MAKERS: Sequence[Callable[[Section, Looks], Drawing | None]] = (
    trade_off,
    class_heat_map,
    spectra,
    colour_histograms,
    sample_curves,
    length_curve,
    training_curves,
    judge_card_figure,
    validation_curves,
)


def draw(
    section: Section,
    colours: Mapping[str, str],
    sweeps: Sequence[Sweep] = (),
    images: frozenset[str] = ALL_IMAGES,
) -> list[Plot]:
    """All figures that the section's records have data for, the swept fields first, written as `images`."""
    known = looks(colours)
    with style():
        drawn = [sweep_figure(section, sweep, known) for sweep in sweeps]
        drawn += metric_bars(section, known)
        drawn += [maker(section, known) for maker in _MAKERS]
        return [finish(drawing, images) for drawing in drawn if drawing is not None]

"""An output against a baseline file: reads both, decides, and finds the images that got worse."""

from __future__ import annotations

from pathlib import Path

from bench.gate.baseline import read_baseline
from bench.gate.decide import row_verdicts
from bench.gate.images import WorstImages, worst_images
from bench.gate.outcome import Outcome
from bench.gate.rows import rows_of
from bench.gate.tolerances import Settings
from bench.records.record import read_records


def check(out: Path, baseline_path: Path, settings: Settings | None = None) -> tuple[Outcome, WorstImages]:
    """The verdicts on the records of `out` by the baseline in `baseline_path`.

    Args:
        settings: of the project; defaults when not given.

    Returns:
        The verdicts, and the worst images of what regressed beside the baseline's own.

    Raises:
        UsageError: if one of them cannot be read, or `settings` name an unknown metric.
    """
    baseline = read_baseline(baseline_path)
    measured, failures = rows_of(read_records(out), out)
    outcome = row_verdicts(measured, failures, baseline, settings or Settings())
    return outcome, worst_images(outcome, baseline, baseline_path, measured, out)

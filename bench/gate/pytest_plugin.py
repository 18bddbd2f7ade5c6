"""pytest plugin: the gate inside a project's own suite.

    def test_quality(bench_baseline):
        bench_baseline.check("out")

    pytest --bench-baseline gate.json

Loaded with pytest wherever the package is installed; nothing of the benchmark is imported before a test asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench.gate.images import WorstImages
    from bench.gate.outcome import Outcome


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bench-out` and `--bench-baseline`, also as settings of pytest's own file."""
    group = parser.getgroup("pix2pix-bench")
    group.addoption("--bench-out", metavar="OUT", help="output that bench_baseline.check() checks")
    group.addoption("--bench-baseline", metavar="FILE", help="baseline that it is checked against")
    parser.addini("bench_out", "as --bench-out, relative to the project")
    parser.addini("bench_baseline", "as --bench-baseline, relative to the project")


@dataclass(frozen=True)
class Gate:
    """What `bench_baseline` is.

    Attributes:
        root: of the project: where its pyproject.toml is.
        out, baseline: as given by option or setting; None: to be given to `check`.
    """

    root: Path
    out: Path | None = None
    baseline: Path | None = None

    def check(
        self,
        out: str | Path | None = None,
        baseline: str | Path | None = None,
        *,
        metrics: Sequence[str] = (),
        allow: Sequence[str] = (),
    ) -> Outcome:
        """Fail the test if a metric regressed, or if the gate could not decide and that is not allowed.

        Args:
            out, baseline: instead of those of the command line; relative to the working directory.
            metrics, allow: as of `bench check`, over the project's settings.

        Returns:
            The verdicts, where the gate passed.
        """
        from bench.core.errors import BenchError
        from bench.gate.check import check
        from bench.gate.tolerances import read_settings

        records, file = out or self.out, baseline or self.baseline
        if records is None or file is None:
            which = "--bench-out OUT" if records is None else "--bench-baseline FILE"
            pytest.fail(
                f"expected an output and a baseline to check, found one missing: give {which}", pytrace=False
            )
        try:
            settings = read_settings(self.root).given(tuple(metrics), allow)
            outcome, worst = check(Path(records), Path(file), settings)
        except (BenchError, ValueError) as error:
            pytest.fail(str(error), pytrace=False)
        if outcome.exit_code:
            said = [f"{records} against {file}: {outcome.summary}", *_told(outcome, worst)]
            pytest.fail("\n  ".join(said), pytrace=False)
        return outcome


def _told(outcome: Outcome, worst: WorstImages) -> list[str]:
    """What a failing gate has to say, a line each."""
    from bench.gate.outcome import UNDECIDED
    from bench.gate.outputs import sentence

    lines = [sentence(v) for v in outcome.verdicts if v.state == "regressed" or v.state in UNDECIDED]
    lines += [f"worst: {pair.measured} (baseline: {pair.baseline})" for pair in worst.pairs]
    return [*lines, *([worst.note] if worst.pairs else []), *outcome.notes]


@pytest.fixture
def bench_baseline(request: pytest.FixtureRequest) -> Gate:
    """The project's baseline: `bench_baseline.check(OUT)` fails the test where a metric regressed."""
    config = request.config
    paths = []
    for name in ("bench_out", "bench_baseline"):
        given, setting = config.getoption(name), config.getini(name)
        paths.append(Path(given) if given else config.rootpath / str(setting) if setting else None)
    return Gate(config.rootpath, *paths)

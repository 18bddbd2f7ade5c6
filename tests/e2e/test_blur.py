"""The paper's first finding, over three seeds: L1 alone is blurry, the conditional GAN brings sharpness back
(Isola et al. 2017, section 4.2 and figure 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli.main import invoke
from bench.records.record import read_records

SEEDS = range(3)
SMALL = [
    "--size",
    "32",
    "--base-filters",
    "16",
    "--steps",
    "150",
    "--train-limit",
    "200",
    "--test-limit",
    "50",
]


def hf_ratios(out: Path, budget: list[str]) -> dict[str, list[float]]:
    arguments = ["--variants", "l1,l1+cgan", "--dataset", "toycity", "--seeds", "0-2", *budget]
    scoring = ["--metrics", "hf_ratio", "--judge", "none", "--device", "cpu", "--threads", "1"]
    assert invoke(["run", *arguments, *scoring, "--out", str(out)]) == 0
    values: dict[str, list[float]] = {"l1": [], "l1+cgan": [], "real": []}
    for record in read_records(out):
        if record.label in values:
            value = record.results["hf_ratio"].value
            assert value is not None
            values[record.label].append(value)
    return values


@pytest.mark.parametrize(
    ("budget", "times"),
    [
        pytest.param(SMALL, 1.0, id="small"),
        pytest.param([], 3.0, id="budget of the demo", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_l1_is_blurrier_than_l1_and_cgan(tmp_path: Path, budget: list[str], times: float) -> None:
    """Every seed of `l1` is below every seed of `l1+cgan`, by at least the factor `times`."""
    values = hf_ratios(tmp_path / "out", budget)
    assert len(values["l1"]) == len(values["l1+cgan"]) == len(SEEDS)
    assert times * max(values["l1"]) < min(values["l1+cgan"])
    assert values["real"][0] == pytest.approx(1, abs=0.2)

"""Slurm's launcher, with submitit's executor for one machine in Slurm's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.launch.on_slurm import parameters
from bench.records.record import read_records

pytest.importorskip("submitit", reason="needs submitit: pip install -e .[slurm]")

GRID = [
    "run", "--variants", "l1,l1+cgan", "--steps", "12", "--dataset", "toycity", "--size", "32",
    "--base-filters", "4", "--device", "cpu", "--threads", "1", "--train-limit", "30", "--test-limit", "4",
    "--metrics", "ssim", "--judge", "none",
]  # fmt: skip
SLURM = ["--launcher", "slurm", "--slurm", "cluster=local"]

# The job that trains l1+cgan is killed once at step 7, as by the death of its node.
FAULT = """
import os, signal
from pathlib import Path
from baselines.trainer import Trainer

mark, driver, step = Path({mark!r}), {driver}, Trainer.step

def faulty(self):
    step(self)
    if self.steps_done == 7 and self.variant.name == "l1+cgan" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)

if os.getpid() != driver:
    Trainer.step = faulty
"""


def test_jobs_give_the_results_of_one_process_and_a_lost_one_is_submitted_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import os

    plugin = tmp_path / "fault.py"
    plugin.write_text(FAULT.format(mark=str(tmp_path / "mark"), driver=os.getpid()))
    assert invoke([*GRID, "--out", str(tmp_path / "alone")]) == 0
    out = tmp_path / "out"
    assert invoke(["--plugin", str(plugin), *GRID, *SLURM, "--out", str(out)]) == 0
    assert (tmp_path / "mark").exists()
    assert "it is submitted again" in capfd.readouterr().err
    alone = {record.id: record for record in read_records(tmp_path / "alone")}
    assert {record.id: record.results for record in read_records(out)} == {
        name: record.results for name, record in alone.items()
    }
    for path in (tmp_path / "alone").glob("runs/*/checkpoint.safetensors"):
        assert (out / path.relative_to(tmp_path / "alone")).read_bytes() == path.read_bytes()


def test_options() -> None:
    given = {"partition": "gpu", "time": "1:30:00", "gpus": "1", "mem_gb": "32", "exclude": "node7"}
    assert parameters(given, 8) == {
        "cpus_per_task": 4,
        "timeout_min": 90,
        "slurm_partition": "gpu",
        "gpus_per_node": 1,
        "mem_gb": 32,
        "slurm_additional_parameters": {"exclude": "node7"},
        "slurm_array_parallelism": 8,
    }
    assert parameters({"time": "45"}, None)["timeout_min"] == 45
    for bad in ({"time": "soon"}, {"gpus": "two"}, {"time": "1:30"}):
        with pytest.raises(UsageError, match="--slurm"):
            parameters(bad, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--launcher", "slurm", "--slurm", "partition"], "KEY=VALUE"),
        (["--launcher", "slurm", "--slurm", "cluster=nowhere"], "cluster=slurm or local"),
        (["--slurm", "partition=gpu"], "--launcher slurm"),
        (["--ray-address", "a:1"], "--launcher ray"),
    ],
)
def test_refusals(
    options: list[str],
    message: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    assert invoke([*GRID, *options, "--out", str(tmp_path / "out")]) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "out").exists()

"""`--init-from`: a training starts from the weights of a file, which enter its hash, record and report."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines import released
from baselines.released import Architecture
from baselines.trainer import Trainer
from baselines.translate import load_checkpoint
from bench.cli.main import invoke
from bench.records.output_folder import RunFiles
from bench.records.record import RunRecord, read_records
from bench.stages.reproduce import chosen

SMALL = ["--dataset", "toycity", "--size", "32", "--base-filters", "8", "--device", "cpu", "--threads", "1"]
SMALL += ["--train-limit", "20", "--test-limit", "4", "--metrics", "ssim,mae", "--judge", "none"]


def runs(out: Path) -> list[RunRecord]:
    return [record for record in read_records(out) if record.kind == "run"]


def weights(out: Path, record: RunRecord) -> dict[str, torch.Tensor]:
    path = RunFiles(out, record.id).checkpoint
    return load_checkpoint(path, torch.device("cpu")).generator.state_dict()


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a short training."""
    out = tmp_path_factory.mktemp("taught") / "out"
    assert invoke(["run", "--variants", "l1+cgan", *SMALL, "--steps", "6", "--out", str(out)]) == 0
    return RunFiles(out, runs(out)[0].id).checkpoint


@pytest.fixture(scope="module")
def tuned(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with one run from fresh weights and one from `taught`."""
    out = tmp_path_factory.mktemp("tuned") / "out"
    command = ["run", "--variants", "l1", *SMALL, "--steps", "4", "--out", str(out)]
    assert invoke(command) == 0
    assert invoke([*command, "--init-from", str(taught)]) == 0
    return out


def test_the_first_step_starts_at_the_weights_of_the_file(taught: Path, tmp_path: Path) -> None:
    """With a rate of nearly nothing, what comes out is what went in."""
    out = tmp_path / "out"
    command = ["run", "--variants", "l1", *SMALL, "--steps", "1", "--set", "lr=1e-60", "--out", str(out)]
    assert invoke([*command, "--init-from", str(taught)]) == 0
    wanted = load_checkpoint(taught, torch.device("cpu")).generator.state_dict()
    found = weights(out, runs(out)[0])
    learnt = [name for name in wanted if "running" not in name and "num_batches" not in name]
    assert learnt
    assert all(torch.equal(found[name], wanted[name]) for name in learnt)


def test_it_is_another_run_and_record_and_report_say_from_what(taught: Path, tuned: Path) -> None:
    fresh, started = sorted(runs(tuned), key=lambda one: one.spec["training"].get("init_from", ""))
    assert "init_from" not in fresh.spec["training"]
    digest = hashlib.sha256(taught.read_bytes()).hexdigest()[:16]
    assert started.spec["training"]["init_from"] == f"sha256:{digest}"
    assert started.id != fresh.id
    assert started.results["mae"].value != fresh.results["mae"].value
    told = (tuned / "report" / "report.md").read_text()
    assert digest[:12] in told


def test_it_resumes_and_is_reproduced_without_the_file(
    taught: Path, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after two steps and typed again: the same weights. `bench reproduce` needs the output alone."""
    out = tmp_path / "out"
    command = ["run", "--variants", "l1", *SMALL, "--steps", "4", "--out", str(out), "--init-from"]
    step, taken = Trainer.step, []

    def fails(self: Trainer) -> None:
        step(self)
        taken.append(1)
        if len(taken) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "step", fails)
    assert invoke([*command, str(taught), "--checkpoint-every", "0"]) == 130
    monkeypatch.setattr(Trainer, "step", step)
    assert invoke([*command, str(taught)]) == 0
    there = next(one for one in runs(tuned) if one.spec["training"].get("init_from"))
    again = weights(out, runs(out)[0])
    assert all(torch.equal(value, again[name]) for name, value in weights(tuned, there).items())
    assert chosen(runs(out), None).id == there.id
    assert invoke(["reproduce", str(out), "--judge", "none", "--device", "cpu", "--threads", "1"]) == 0
    (out / "starts" / f"{there.spec['training']['init_from'].removeprefix('sha256:')}.safetensors").unlink()
    for leftover in (out / "reproduced").rglob("*.safetensors"):
        leftover.unlink()
    assert invoke(["reproduce", str(out), "--judge", "none", "--device", "cpu", "--threads", "1"]) == 2


def test_a_released_generator_is_a_start(tmp_path: Path) -> None:
    architecture = Architecture("resnet_6blocks", "instance", False, 8, 3, 3)
    torch.manual_seed(0)
    network = architecture.build()
    path = tmp_path / "latest_net_G.pth"
    torch.save(released.to_released(network, architecture), path)
    out = tmp_path / "out"
    variant = "resnet6:l1[norm=instance-plain,dropout=0]"
    command = ["run", "--variants", variant, *SMALL, "--steps", "1", "--set", "lr=1e-60", "--out", str(out)]
    assert invoke([*command, "--init-from", f"released:{path}"]) == 0
    found = weights(out, runs(out)[0])
    assert all(torch.equal(value, found[name]) for name, value in network.state_dict().items())


def _refused(capsys: Any, command: list[str], *words: str) -> None:
    assert invoke(command) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert all(word in said for word in words), said


def test_what_does_not_fit_is_refused_and_nothing_is_written(
    taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def run(start: Path | str, *more: str) -> list[str]:
        command = ["run", "--variants", "l1", *SMALL, "--steps", "1", "--out", str(out), *more]
        return [*command, "--init-from", str(start)]

    capsys.readouterr()
    _refused(capsys, run(taught, "--base-filters", "16"), "layer", "shape (16,", "found shape (8,", "l1")
    _refused(capsys, run(taught, "--size", "64"), "layer", "none")
    _refused(capsys, run(tmp_path / "none.safetensors"), "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("no weights")
    _refused(capsys, run(text), "text.safetensors", "released:FILE")
    pickled = tmp_path / "pickled.pth"
    torch.save({"model": {"a": torch.zeros(1)}}, pickled)
    _refused(capsys, run(f"released:{pickled}"), "named tensors")
    _refused(capsys, run(f"released:{pickled},net=unet"), "netG=")
    _refused(capsys, run(taught, "--set", "init_from=somewhere"), "init_from", "sha256:HEX")
    assert not out.exists()

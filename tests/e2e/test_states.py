"""Checkpoints: the last two training states, damage to any of them, damage to the finished generator."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from baselines.trainer import Trainer
from bench.cli.main import invoke
from bench.records.record import read_records

GRID = [
    *("run", "--variants", "l1+cgan", "--dataset", "toycity", "--size", "32", "--base-filters", "4"),
    *("--steps", "20", "--train-limit", "8", "--test-limit", "4", "--judge", "none", "--metrics", "ssim"),
    *("--device", "cpu", "--threads", "1", "--checkpoint-every", "0"),
]


def run(out: Path) -> int:
    return invoke([*GRID, "--out", str(out)])


def only(out: Path, pattern: str) -> Path:
    (path,) = out.glob(pattern)
    return path


def results(out: Path) -> dict[str, bytes]:
    """What must not depend on how often a run was interrupted."""
    paths = [only(out, "runs/*/checkpoint.safetensors"), *sorted(out.glob("predictions/*/*.png"))]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert run(out) == 0
    return out


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A run that ended hard in step 13, its state saved after each step."""
    step = Trainer.step

    def fail(self: Trainer) -> None:
        if self.steps_done == 12:
            raise MemoryError("no memory left")
        step(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", fail)
        assert run(tmp_path) == 4
    return tmp_path


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [spoil, cut_short])
def test_a_damaged_state_is_set_aside_and_the_one_before_is_used(
    cut: Path, whole: Path, damage: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    damage(only(cut, "runs/*/state.safetensors"))
    assert run(cut) == 0
    said = capfd.readouterr().err
    assert "state.safetensors is damaged: " in said
    assert "set aside as state.safetensors.damaged" in said
    assert "goes on at step 11" in said
    assert only(cut, "runs/*/state.safetensors.damaged").is_file()
    assert not list(cut.glob("runs/*/state*.safetensors"))
    assert results(cut) == results(whole)


def test_with_both_damaged_it_trains_from_the_start(
    cut: Path, whole: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in list(cut.glob("runs/*/state*.safetensors")):
        spoil(path)
    assert run(cut) == 0
    said = capfd.readouterr().err
    assert "goes on" not in said
    assert "no whole training state is left: trains from the start" in said
    assert len(list(cut.glob("runs/*/*.damaged"))) == 2
    assert results(cut) == results(whole)


def test_a_state_that_was_not_rotated_to_its_end_is_no_loss(
    cut: Path, whole: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    only(cut, "runs/*/state.safetensors").unlink()  # killed between the two renames
    leftover = only(cut, "runs/*") / ".tmp-state.safetensors.x.safetensors"
    leftover.write_bytes(b"half")
    assert run(cut) == 0
    assert "goes on at step 11" in capfd.readouterr().err
    assert not leftover.exists()
    assert results(cut) == results(whole)


def test_a_damaged_generator_is_set_aside_and_trained_again(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    spoil(only(out, "runs/*/checkpoint.safetensors"))
    next(out.glob("predictions/*/*.png")).unlink()
    assert invoke(["score", str(out), "--device", "cpu", "--judge", "none", "--metrics", "ssim"]) == 4
    assert "set aside as checkpoint.safetensors.damaged: the command that trained" in capfd.readouterr().err
    for record in out.glob("records/*.json"):
        record.unlink()
    assert run(out) == 0
    assert results(out) == results(whole)
    checkpoint = only(out, "runs/*/checkpoint.safetensors")
    spoil(checkpoint)
    for record in out.glob("records/*.json"):
        record.unlink()
    assert run(out) == 0
    said = capfd.readouterr().err
    assert said.count("set aside as checkpoint.safetensors.damaged, training again") == 1
    assert results(out) == results(whole)


def test_a_diverged_run_keeps_its_last_good_state_and_is_tried_again_only_when_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def explode(self: Trainer) -> None:
        step(self)
        if self.steps_done == 13:
            next(self.generator.parameters()).data.view(-1)[0] = float("nan")

    monkeypatch.setattr(Trainer, "step", explode)
    assert run(tmp_path) == 4
    (record,) = [record for record in read_records(tmp_path) if record.kind == "run"]
    assert (record.status, record.details["diverged"]) == ("diverged", {"step": 13, "last_good_step": 12})
    assert record.history[-1]["step"] == 12
    assert record.results == {}
    assert only(tmp_path, "runs/*/state.safetensors").is_file()
    assert not list(tmp_path.glob("predictions/*"))
    capfd.readouterr()
    monkeypatch.undo()
    monkeypatch.setenv("PIX2PIX_BENCH_CACHE", str(tmp_path / "cache"))
    assert run(tmp_path) == 4
    assert "--retry trains it again" in capfd.readouterr().err
    assert invoke([*GRID, "--out", str(tmp_path), "--retry"]) == 0
    assert "goes on at step 12" in capfd.readouterr().err

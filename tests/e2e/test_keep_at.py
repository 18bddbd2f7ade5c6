"""`--keep-at`: rows of several lengths, trained once, each as if it had been trained by itself."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from baselines.trainer import Trainer
from bench.cli.main import invoke
from bench.records.output_folder import RunFiles
from bench.records.record import read_records

SMALL = ["--dataset", "toycity", "--size", "32", "--base-filters", "8", "--device", "cpu", "--threads", "1"]
SMALL += ["--train-limit", "20", "--test-limit", "4", "--metrics", "ssim,mae"]
RUN = ["run", "--variants", "l1+cgan", *SMALL]


def by_steps(out: Path) -> dict[int, tuple[bytes, dict[str, float | None]]]:
    """Generator and values of each run of an output."""
    return {
        record.spec["training"]["steps"]: (
            RunFiles(out, record.id).checkpoint.read_bytes(),
            {name: result.value for name, result in record.results.items()},
        )
        for record in read_records(out)
        if record.kind == "run"
    }


@pytest.fixture(scope="module")
def each_by_itself(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "out"
    for steps in ("6", "10", "17"):
        assert invoke([*RUN, "--steps", steps, "--out", str(out)]) == 0
    return out


def test_each_length_is_as_if_trained_by_itself_and_steps_are_taken_once(
    each_by_itself: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self: (taken.append(self.steps_done), step(self)))
    out = tmp_path / "out"
    assert invoke([*RUN, "--steps", "17", "--keep-at", "6,10", "--out", str(out)]) == 0
    assert by_steps(out) == by_steps(each_by_itself)
    assert {r.id for r in read_records(out)} == {r.id for r in read_records(each_by_itself)}
    assert taken == list(range(17))
    assert not list(out.rglob("state*"))
    taken.clear()
    assert invoke([*RUN, "--steps", "17", "--keep-at", "6,10", "--out", str(out)]) == 0  # all is there
    assert taken == []


def test_epochs_are_lengths_too(each_by_itself: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke([*RUN, "--epochs", "0.85", "--keep-at", "0.3,0.5", "--out", str(out)]) == 0  # of 20 pairs
    assert by_steps(out) == by_steps(each_by_itself)


def test_interrupted_on_the_way_it_goes_on(
    each_by_itself: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def interrupted(self: Trainer) -> None:
        if self.steps_done == 12:
            signal.raise_signal(signal.SIGINT)
        step(self)

    arguments = [*RUN, "--steps", "17", "--keep-at", "6,10", "--out", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        assert invoke(arguments) == 130
    assert invoke(arguments) == 0
    assert by_steps(tmp_path / "out") == by_steps(each_by_itself)


def test_a_damaged_state_of_a_shorter_run_is_set_aside(
    each_by_itself: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert invoke([*RUN, "--steps", "6", "--out", str(out)]) == 0
    (run,) = (record for record in read_records(out) if record.kind == "run")
    RunFiles(out, run.id).state_at_end.write_bytes(b"no state")
    assert invoke([*RUN, "--steps", "10", "--keep-at", "6", "--out", str(out)]) == 0
    assert "is damaged" in capfd.readouterr().err
    found, alone = by_steps(out), by_steps(each_by_itself)
    assert found == {steps: alone[steps] for steps in (6, 10)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--steps", "9", "--keep-at", "9"], "expected --keep-at below the 9 steps of the whole, found 9"),
        (["--steps", "9", "--keep-at", "2.5"], "expected --keep-at in whole steps, found 2.5"),
        (["--steps", "9", "--keep-at", "x"], "expected --keep-at such as 2,8,25"),
        (["--steps", "9", "--keep-at", "2,2"], "each once"),
        (["--epochs", "3", "--keep-at", "0"], "numbers above 0"),
        (
            ["--steps", "9", "--keep-at", "2", "--set", "lr_schedule=linear"],
            "expected a constant learning rate",
        ),
        (["--keep-at", "2", "--set", "steps=3,4"], "without --set steps"),
        (
            ["--steps", "9", "--keep-at", "2", "--dataset", "toycity,mine"],
            "expected one data set with --keep-at",
        ),
        (["--steps", "9", "--keep-at", "2", "--set", "batch_size=1,2"], "without --set batch_size"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*RUN, *arguments, "--out", str(tmp_path / "out")]) == 2
    told = capfd.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()

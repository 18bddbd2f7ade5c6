"""`--log`: the trackers' own readers read back what was logged, and a broken tracker costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waiting import wait_for

from baselines.settings import TestSettings, TrainingSettings
from baselines.variants import parse_variant
from bench.core.errors import UsageError
from bench.records.record import MetricResult, RunRecord
from bench.spec.run_spec import DataSpec, RunSpec
from bench.stages import trackers
from bench.stages.trackers import check_trackers, tracking

SPEC = RunSpec(
    DataSpec("toycity", "labels2photo", "paired", 400, 100, "aaaa", "bbbb"),
    parse_variant("l1"),
    0,
    TrainingSettings(steps=20, size_px=32, batch_size=1),
    TestSettings(),
)
SHEET = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)


def entry(step: int, loss: float) -> dict[str, float]:
    return {"step": step, "images_seen": step, "lr": 2e-4, "seconds": 0.1 * step, "loss_l1": loss}


def record() -> RunRecord:
    results = {
        "ssim": MetricResult("ssim", 0.25, "max", 4, {}),
        "fid": MetricResult("fid", None, "min", 4, {}, reason="no weights"),
    }
    return RunRecord(SPEC.id, "run", "l1", SPEC.to_dict(), "finished", results)


def show(names: tuple[str, ...], out: Path, said: list[str]) -> None:
    """A training that is interrupted after step 10 and goes on from step 5."""
    with tracking(names, out, SPEC, 0, said.append) as log:
        for step in (5, 10):
            log.training(entry(step, 1 / step))
    with tracking(names, out, SPEC, 5, said.append) as log:
        for step in (10, 20):
            log.training(entry(step, 1 / step))
        log.validation({"step": 20, "images_seen": 20, "seconds": 3.0, "ssim": 0.125, "fid": None})
        log.samples(SHEET, 20)
        log.scores(record(), 20)


def test_tensorboard_reads_back_what_was_logged(tmp_path: Path) -> None:
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    said: list[str] = []
    show(("tensorboard",), tmp_path, said)
    events = loading.EventAccumulator(str(tmp_path / "logs" / "tensorboard" / SPEC.id)).Reload()
    assert not said
    curve = {event.step: event.value for event in events.Scalars("train/loss_l1")}
    assert curve == pytest.approx({5: 0.2, 10: 0.1, 20: 0.05})
    assert [event.step for event in events.Scalars("train/loss_l1")] == [5, 10, 20], "step 10 stands twice"
    assert [(event.step, event.value) for event in events.Scalars("score/ssim")] == [(20, 0.25)]
    assert "score/fid" not in events.Tags()["scalars"]
    assert [(event.step, event.value) for event in events.Scalars("val/ssim")] == [(20, 0.125)]
    assert [tag for tag in events.Tags()["scalars"] if tag.startswith("val/")] == ["val/ssim"]
    (image,) = events.Images("samples")
    assert (image.step, image.width, image.height) == (20, 16, 8)


def test_wandb_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    said: list[str] = []
    show(("wandb",), tmp_path, said)
    assert not said
    runs = sorted((tmp_path / "logs" / "wandb").glob(f"offline-run-*-{SPEC.hash}*/run-{SPEC.hash}.wandb"))
    assert len(runs) == 2, "one file for each of the two sessions"
    wanted = (b"train/loss_l1",), (b"train/loss_l1", b"score/ssim", b"samples")
    for run, words in zip(runs, wanted, strict=True):
        for word in words:  # wandb's own process writes the last of it after `finish` has returned
            wait_for(lambda run=run, word=word: word in run.read_bytes())


def test_a_tracker_that_breaks_is_said_once_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking:
        told = 0

        def __init__(self, *_: Any) -> None: ...

        def scalars(self, values: object, step: int) -> None:
            Breaking.told += 1
            raise OSError("disk\nfull")

    monkeypatch.setitem(trackers._MAKERS, "wandb", Breaking)  # type: ignore[arg-type]
    said: list[str] = []
    with tracking(("wandb",), tmp_path, SPEC, 0, said.append) as log:
        log.training(entry(1, 1.0))
        log.training(entry(2, 1.0))
    assert said == ["--log wandb is off from here on (OSError: disk full); the run goes on"]
    assert Breaking.told == 1


def test_a_missing_package_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'pix2pix-bench\[tensorboard\]'"):
        check_trackers(["tensorboard"])

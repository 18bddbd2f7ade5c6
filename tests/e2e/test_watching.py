"""A grid that is watched while it runs: event files of both its runs, and a page that grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import outcome
from bench.cli.main import invoke
from bench.report import live

RUN = [
    *("run", "--variants", "l1,cgan", "--dataset", "toycity", "--size", "32", "--steps", "10"),
    *("--base-filters", "4", "--train-limit", "12", "--test-limit", "6", "--judge", "none"),
    *("--metrics", "ssim,mae", "--device", "cpu", "--threads", "1"),
]


def test_events_and_a_page_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out, pages = tmp_path / "out", []
    finish = outcome.finish

    def looking(*arguments: object) -> None:
        pages.extend(page.read_text(encoding="utf-8") for page in (out / "report").glob("index.html"))
        finish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(outcome, "finish", looking)
    monkeypatch.setattr(live, "_FIRST_AFTER_SECONDS", 0.0)
    assert invoke([*RUN, "--log", "tensorboard", "--out", str(out)]) == 0

    (while_running,) = pages
    assert "Still running: 1 of 2 runs have ended" in while_running
    assert 'http-equiv="refresh"' in while_running
    finished = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "Still running" not in finished
    assert 'http-equiv="refresh"' not in finished

    folders = sorted((out / "logs" / "tensorboard").iterdir())
    assert [folder.name.split("-s0-")[0] for folder in folders] == ["toycity-cgan", "toycity-l1"]
    for folder in folders:
        events = loading.EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
        assert [event.step for event in events.Scalars("train/loss_l1")] == list(range(1, 11))
        assert len(events.Scalars("score/ssim")) == 1
        assert [event.step for event in events.Images("samples")] == list(range(1, 11))


def test_a_tracker_that_nobody_knows_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke([*RUN, "--log", "paper", "--out", str(tmp_path / "out")]) == 2
    assert "tensorboard" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()

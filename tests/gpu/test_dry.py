"""What measures a GPU, on a CPU: the comparison of engines sees differences, and the script goes through."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import agreement
import pytest
import torch
from agreement import Distance, compare_engines

from baselines.settings import TrainingSettings
from baselines.trainer import Trainer

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=3, size_px=32, base_filters=4, engine="captured")


@pytest.mark.parametrize("batch_size", [1, 2])
def test_an_eager_step_is_itself(batch_size: int) -> None:
    settings = TrainingSettings(steps=3, size_px=32, base_filters=4, batch_size=batch_size)
    found = compare_engines("l1+cgan", settings, CPU, states=2)
    assert found.engine == "eager"
    assert found.captured == found.eager == Distance(0.0, 0.0, 0.0)


@pytest.mark.parametrize("fault", ["dropout", "picture", "rate"])
def test_a_step_that_differs_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(Trainer):
        """Wrong where it should be captured."""

        def step(self) -> None:
            if self.settings.engine == "captured":
                if fault == "dropout":
                    self._seed_dropout = lambda: None  # type: ignore[method-assign]
                if fault == "rate":
                    self._updates.set_lr = lambda lr: None  # type: ignore[method-assign]
                    for adam in (self.generator_adam, self.discriminator_adam):
                        adam.param_groups[0]["lr"] = 3e-4
                if fault == "picture":
                    fetch = type(self._feed).fetch
                    self._feed.fetch = lambda step: fetch(self._feed, step + 1)  # type: ignore[method-assign]
            super().step()

    monkeypatch.setattr(agreement, "Trainer", Faulty)
    found = compare_engines("l1+cgan", SETTINGS, CPU, states=1)
    assert found.eager == Distance(0.0, 0.0, 0.0)
    assert found.captured.loss > 1e-3  # D's update is felt in the loss of G
    assert found.captured.update > 0.1


@pytest.mark.slow
def test_the_script_goes_through_and_goes_on(cache: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("measure.py")

    def run(*options: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run([sys.executable, script, "--dry", "--out", tmp_path, *options], timeout=500)
        kept = tmp_path / "gpu.json"
        return done.returncode, json.loads(kept.read_text()) if kept.is_file() else {}

    assert run("--minutes", "0.5") == (3, {})  # no time for anything
    code, found = run()
    assert code == 0
    rows = {row["what"]: row for check in found.values() for row in check}
    assert len(found) == 11
    assert not [row for row in rows.values() if row["found"].startswith("failed")]
    assert run() == (0, found)  # nothing is done twice

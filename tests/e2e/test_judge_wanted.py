"""The judge is trained where a metric looks at it, and only there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.cli.main import invoke
from bench.scoring.judges import trained as store
from bench.scoring.one_pass import wants_judge

TINY = [
    "run",
    "--variants",
    "l1",
    "--dataset",
    "toycity",
    "--size",
    "32",
    "--train-limit",
    "4",
    "--steps",
    "2",
]
TINY += ["--test-limit", "2", "--base-filters", "4", "--device", "cpu", "--threads", "1"]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ((), True),
        (("ssim", "psnr", "mae", "fd_lite0", "label_class_iou"), False),
        (("ssim", "fcn_class_iou"), True),
        (("segmentation",), True),
        (("structural", "diversity"), False),
    ],
)
def test_which_metrics_look_at_the_judge(keys: tuple[str, ...], wanted: bool) -> None:
    assert wants_judge(keys) is wanted


def test_a_plug_in_might_look_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.core import plugins

    monkeypatch.setitem(plugins._registered["metrics"], "mine", object())
    assert wants_judge(["mine"])


def test_no_judge_is_trained_for_metrics_that_need_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def no_judge(name: str, *arguments: Any, **more: Any) -> Any:
        asked.append(name)
        raise RuntimeError("the judge was asked for")

    monkeypatch.setattr(store, "get_judge", no_judge)
    arguments = [*TINY, "--out", str(tmp_path / "out")]
    assert invoke([*arguments, "--metrics", "ssim,psnr,mae"]) == 0
    assert asked == []
    (record,) = (json.loads(p.read_text()) for p in (tmp_path / "out" / "records").glob("*-l1-s0-*.json"))
    assert record["results"]["ssim"]["value"] is not None
    assert invoke([*arguments, "--metrics", "ssim,fcn_pixel_acc"]) == 4  # a judge that fails is seen
    assert asked

"""`bench reproduce`: the same run gives the same again, and what differs is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.cli.main import invoke
from bench.records.record import read_per_image, read_records, write_record
from bench.records.reproduction import read_reproduction, reproduction_path
from bench.report.publish import publish

RUN = [
    "run", "--dataset", "toycity", "--variants", "l1,l1+cgan", "--size", "32", "--base-filters", "4",
    "--steps", "6", "--train-limit", "20", "--test-limit", "6", "--device", "cpu", "--threads", "1",
]  # fmt: skip
METRICS = ["--metrics", "ssim,hf_ratio", "--judge", "none"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reproduce") / "out"
    assert invoke([*RUN, *METRICS, "--out", str(out)]) == 0
    return out


def again(out: Path, *more: str) -> int:
    return invoke(["reproduce", str(out), *METRICS, "--device", "cpu", *more])


def sane(out: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    invoke(["claims", str(out), "--sanity"])
    return [line for line in capsys.readouterr().out.splitlines() if "made again" in line]


def test_a_run_made_again_is_the_same_and_said_so(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "none was made again" in sane(finished, capsys)[0]
    assert again(finished) == 0
    found = read_reproduction(finished)
    assert found is not None
    assert (found.exact, found.passed, found.images, found.differing) == (True, True, True, {})
    assert found.values == 2
    assert found.checkpoint is not None
    assert found.checkpoint[:12] in capsys.readouterr().out
    (line,) = sane(finished, capsys)
    assert line.startswith("pass")
    publish(finished, tmp_path / "study")
    assert read_reproduction(tmp_path / "study") == found
    held = json.loads((tmp_path / "study" / "claims.json").read_text())["sanity"]
    assert any(check["name"] == "a run made again gives the same" and check["passed"] for check in held)


def _value(out: Path, add: float) -> None:
    """As if the run had had another value."""
    for record in read_records(out):
        ssim = record.results.get("ssim")
        if record.kind == "run" and ssim is not None and ssim.value is not None:
            changed = replace(ssim, value=ssim.value + add)
            write_record(
                out, replace(record, results={**record.results, "ssim": changed}), read_per_image(out, record)
            )


def test_a_value_that_differs_fails_and_is_named(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _value(finished, 1e-9)
    try:
        assert again(finished) == 1
        assert "the same test images; 1 of 2 values differ; ssim" in capsys.readouterr().out
        (line,) = sane(finished, capsys)
        assert line.startswith("FAIL")
    finally:
        _value(finished, -1e-9)


@pytest.mark.parametrize(("off", "passed"), [(0.02, True), (0.2, False)])
def test_on_a_gpu_the_spread_over_seeds_decides(finished: Path, off: float, passed: bool) -> None:
    from bench.stages.reproduce import compared

    def like(record: Any, seed: int, ssim: float, device: str = "An H100") -> Any:
        spec = {**record.spec, "seed": seed}
        results = {**record.results, "ssim": replace(record.results["ssim"], value=ssim)}
        return replace(
            record, spec=spec, results=results, environment={**record.environment, "device": device}
        )

    before = next(record for record in read_records(finished) if record.kind == "run")
    seeds = [like(before, seed, 0.5 + 0.02 * seed) for seed in range(3)]  # deviation 0.02
    found = compared(finished, finished, seeds[0], like(before, 0, 0.5 + off), seeds)
    assert (found.exact, found.passed) == (False, passed)
    assert found.outside == (() if passed else ("ssim",))
    on_cpu = compared(finished, finished, seeds[0], like(before, 0, 0.5 + off, "cpu"), seeds)
    assert not on_cpu.passed


def test_another_generator_fails_though_its_images_are_the_same(finished: Path, tmp_path: Path) -> None:
    from bench.records.output_folder import RunFiles
    from bench.stages.reproduce import compared

    before = next(record for record in read_records(finished) if record.kind == "run")
    other = RunFiles(tmp_path, before.id).checkpoint
    other.parent.mkdir(parents=True)
    other.write_bytes(RunFiles(finished, before.id).checkpoint.read_bytes() + b" ")
    found = compared(finished, tmp_path, before, before, [before])
    assert (found.images, found.differing, found.passed) == (True, {}, False)
    assert "another generator" in found.words
    other.unlink()  # not kept: then images and values decide
    assert compared(finished, tmp_path, before, before, [before]).passed


def test_a_metric_that_was_not_scored_again_is_named(finished: Path) -> None:
    from bench.stages.reproduce import compared

    before = next(record for record in read_records(finished) if record.kind == "run")
    fewer = {key: result for key, result in before.results.items() if key != "ssim"}
    found = compared(finished, finished, before, replace(before, results=fewer), [before])
    assert found.not_compared == ("ssim",)
    assert found.words.endswith("not compared: ssim")


def test_what_is_not_there_is_refused_in_one_line(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert again(finished, "--run", "nobody") == 2
    assert "expected a finished run 'nobody'" in capsys.readouterr().err
    assert again(tmp_path / "nothing") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_damaged_account_of_it_is_none(tmp_path: Path) -> None:
    whole = {
        "run": "r", "label": "l1", "seed": 0, "device": "cpu", "threads": 1, "commits": [None, None],
        "checkpoint": None, "images": True, "values": 1, "differing": {}, "outside": [], "not_compared": [],
    }  # fmt: skip
    reproduction_path(tmp_path).write_text(json.dumps({"reproduction": whole}))
    assert read_reproduction(tmp_path) is not None
    wrong = [{"checkpoint": 7}, {"run": []}, {"values": "1"}, {"differing": {"ssim": 1}}, {"not_compared": 3}]
    damaged = [json.dumps({"reproduction": whole | one}) for one in wrong]
    for said in ("{", "{}", '{"reproduction": {"run": 1}}', "[1]", *damaged):
        reproduction_path(tmp_path).write_text(said)
        assert read_reproduction(tmp_path) is None

"""The baseline file: sorted, exact, kept where edited, migrated, and refused where it is not one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_records import (
    EXACT,
    PROTOCOL,
    ROW,
    decide,
    decide_by,
    reference,
    result,
    run,
    write_baseline,
    write_seeds,
)

from bench.cli.main import invoke
from bench.core.documents import MAX_JSON_BYTES
from bench.core.errors import NotComparableError, UsageError
from bench.gate.baseline import Baseline, read_baseline, save_baseline
from bench.gate.tolerances import DEFAULT_TOLERANCES, Tolerance
from bench.gate.values_by_image import sidecar_path
from bench.records.record import RunRecord, read_records, write_record
from bench.scoring.metrics.catalogue import CATALOGUE


def test_tolerances_can_be_edited_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    before, after = [run(result("ssim", 0.5))], [run(result("ssim", 0.4))]
    write_baseline(before, path)
    assert decide_by(path, after).verdicts[0].state == "regressed"
    content = json.loads(path.read_text())
    content["tolerances"]["ssim"] = {"absolute": 0.2}
    path.write_text(json.dumps(content))
    assert decide_by(path, after).verdicts[0].state == "pass"
    content["rows"][ROW]["metrics"]["ssim"]["tolerance"] = {"relative": 0.1}  # its own goes first
    path.write_text(json.dumps(content))
    assert decide_by(path, after).verdicts[0].state == "regressed"
    del content["tolerances"]["ssim"], content["rows"][ROW]["metrics"]["ssim"]["tolerance"]
    content["tolerances"]["*"] = {"absolute": 0.2}
    path.write_text(json.dumps(content))
    assert decide_by(path, after).verdicts[0].state == "pass"


def update(path: Path, records: list[RunRecord], **options: Any) -> None:
    given = options.get("tolerances")
    save_baseline(Baseline.from_records(records, **options).keeping(read_baseline(path), given), path)


def test_writing_again_keeps_what_was_edited(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline([run(result("ssim", 0.5), result("psnr", 20.0))], path, ignore=["judge"])
    content = json.loads(path.read_text())
    content["tolerances"]["ssim"] = {"absolute": 0.2}
    content["rows"][ROW]["metrics"]["psnr"]["tolerance"] = {"absolute": 7}
    path.write_text(json.dumps(content))
    update(path, [run(result("ssim", 0.6), result("psnr", 21.0))])
    again = read_baseline(path)
    assert again.tolerances["ssim"] == Tolerance(absolute=0.2)
    assert again.rows[ROW].metrics["psnr"].tolerance == Tolerance(absolute=7)
    assert (again.rows[ROW].metrics["ssim"].value, again.ignore_protocol) == (0.6, ("judge",))
    given = {"ssim": Tolerance(0.3)}
    update(path, [run(result("ssim", 0.6))], tolerances=given, ignore=["version"])
    again = read_baseline(path)
    assert (again.tolerances["ssim"], again.ignore_protocol) == (Tolerance(0.3), ("version",))


def test_default_tolerances_are_for_known_metrics() -> None:
    assert set(DEFAULT_TOLERANCES) - {"*"} <= set(CATALOGUE)


def test_the_file_is_the_same_whatever_the_order_of_the_records(tmp_path: Path) -> None:
    records = [run(result("ssim", 0.5 + seed), result("mae", 3.0, "min"), seed=seed) for seed in (0, 1)]
    records.append(reference(result("ssim", 1.0)))
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_baseline(records, one)
    write_baseline(records[::-1], other)
    assert one.read_bytes() == other.read_bytes()
    content = json.loads(one.read_text())
    assert content["rows"][ROW]["metrics"]["ssim"]["values"] == [0.5, 1.5]
    assert content["rows"]["toycity/labels2photo/64px/real"]["seeds"] == [None]
    assert list(content["protocols"].values()) == [PROTOCOL]


def test_records_from_disk_give_the_same_verdicts(tmp_path: Path) -> None:
    records = [run(result("ssim", 1 / 3, interval=(0.3, 0.4))), reference(result("ssim", 1.0))]
    for record in records:
        write_record(tmp_path / "out", record)
    verdicts = decide(tmp_path, records, read_records(tmp_path / "out"), tolerances=EXACT)
    assert [verdict.state for verdict in verdicts] == ["pass", "pass"]


def test_two_settings_in_one_row_are_refused(tmp_path: Path) -> None:
    one = run(result("ssim", 0.5))
    training = {**one.spec["training"], "batch_size": 4}
    other = replace(one, id="other", spec={**one.spec, "training": training})
    with pytest.raises(UsageError, match=r"one record for .*l1 \(seed 0\), found l1-s0 and other"):
        write_baseline([one, other], tmp_path / "baseline.json")
    assert not (tmp_path / "baseline.json").exists()


def test_seeds_scored_in_different_ways_are_refused(tmp_path: Path) -> None:
    records = [run(result("ssim", 0.5)), run(result("ssim", 0.5, protocol={"version": 2}), seed=1)]
    with pytest.raises(NotComparableError, match="one protocol"):
        write_baseline(records, tmp_path / "baseline.json")


def test_a_baseline_of_failed_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="out of memory"):
        write_baseline([run(status="failed", error="out of memory")], tmp_path / "baseline.json")
    with pytest.raises(UsageError, match="found none"):
        write_baseline([], tmp_path / "baseline.json")


@pytest.mark.parametrize("training", [{"size_px": 64}, {"size_px": 64, "steps": None}])
def test_a_run_without_steps_has_none_in_its_row(tmp_path: Path, training: dict[str, Any]) -> None:
    foreign = run(result("ssim", 0.5), label="theirs")
    foreign = replace(foreign, spec={"data": foreign.spec["data"], "training": training})
    (verdict,) = decide(tmp_path, [foreign], [foreign])
    assert (verdict.row, verdict.state) == ("toycity/labels2photo/64px/theirs", "pass")


@pytest.mark.parametrize("spec", [{}, {"training": {}}, {"training": {"steps": 100}}])
def test_a_record_that_fits_no_row_is_named(tmp_path: Path, spec: dict[str, Any]) -> None:
    record = run(result("ssim", 0.5))
    record = replace(record, spec={"data": record.spec["data"], **spec})
    with pytest.raises(UsageError, match=r"size_px in record l1-s0, found none") as caught:
        write_baseline([record], tmp_path / "baseline.json")
    assert "delete it and run again" in str(caught.value)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "baseline.json", tmp_path / "folder", Path("/proc/baseline.json")):
        with pytest.raises(UsageError, match="give a FILE in a folder that can be written") as caught:
            write_baseline([run(result("ssim", 0.5))], path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def damaged(change: Any) -> Any:
    def apply(content: dict[str, Any]) -> str:
        change(content)
        return json.dumps(content)

    return apply


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: "{", "expected a baseline"),
        (lambda content: "[" * 100_000, "expected a baseline"),
        (lambda content: "[]", "schema_version"),
        (damaged(lambda c: c.pop("schema_version")), "schema_version"),
        (damaged(lambda c: c.update(schema_version=99)), "found 99"),
        (damaged(lambda c: c.pop("rows")), "malformed"),
        (damaged(lambda c: c.update(rows=[])), "malformed"),
        (damaged(lambda c: c.update(protocols={})), "malformed"),
        (damaged(lambda c: c.update(ignore_protocol="judge.hash")), "ignore_protocol"),
        (damaged(lambda c: c["tolerances"].update(ssim={"absolut": 1})), "absolut"),
        (damaged(lambda c: c["tolerances"].update(ssim={"absolute": -1})), "0 or more"),
        (damaged(lambda c: c["tolerances"].update(ssim={"relative": "5%"})), "number"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[])), "one value a seed"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[float("nan")])), "finite"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[1, 2])), "one value a seed"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(goal="up")), "malformed"),
        (
            damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(goal=True)),
            "expected max, min or a number, found True",
        ),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(goal=float("inf"))), "finite"),
        (
            damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[True])),
            "values.0.: expected a number, found True",
        ),
        (
            damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=["1"])),
            "values.0.: expected a number, found '1'",
        ),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(values=[10**400])), "finite"),
        (
            damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(n=True)),
            "n: expected a whole number, found True",
        ),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(interval=[0])), "interval"),
        (damaged(lambda c: c["rows"][ROW]["metrics"]["ssim"].update(interval=[0, float("nan")])), "finite"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_by_name(tmp_path: Path, spoil: Any, said: str) -> None:
    path = tmp_path / "baseline.json"
    write_baseline([run(result("ssim", 0.5))], path)
    path.write_text(spoil(json.loads(path.read_text())))
    with pytest.raises(UsageError, match=said) as caught:
        decide_by(path, [run(result("ssim", 0.5))])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_baseline_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bench baseline"):
        read_baseline(tmp_path / "none.json")


def test_a_changed_number_changes_one_line_of_the_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_baseline([run(result("ssim", 0.5), result("psnr", 20.0))], one)
    write_baseline([run(result("ssim", 0.6), result("psnr", 20.0))], other)
    lines = one.read_text().splitlines(), other.read_text().splitlines()
    changed = [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]]
    assert [("0.5" in before, "0.6" in after) for before, after in changed] == [(True, True)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three seeds with values by image, the real row without."""
    columns = {s: {"ssim": [0.5 + s / 100, 0.6, 0.7], "fid_pseudo": [30.0, 31.0, 35.0]} for s in range(3)}
    folder = write_seeds(tmp_path / "out", columns, {"ssim": "max", "fid": "min"})
    write_record(folder, reference(result("ssim", 1.0)))
    return folder


def test_values_by_image_lie_beside_the_baseline(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    assert invoke(["baseline", str(out), str(path)]) == 0
    assert sidecar_path(path) == tmp_path / "gate.parquet"
    read = read_baseline(path)
    assert [table["ssim"].tolist() for table in read.rows[ROW].tables] == [
        [0.5 + s / 100, 0.6, 0.7] for s in range(3)
    ]
    assert set(read.rows[ROW].tables[0]) == {"name", "ssim", "fid_pseudo"}
    assert read.rows["toycity/labels2photo/64px/real"].tables == ()
    before = path.read_bytes(), sidecar_path(path).read_bytes()
    assert invoke(["baseline", str(out), str(path), "--update"]) == 0
    assert (path.read_bytes(), sidecar_path(path).read_bytes()) == before


def test_without_the_values_by_image_the_gate_goes_on_and_says_so(
    out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gate.json"
    invoke(["baseline", str(out), str(path)])
    assert invoke(["check", str(out), "--baseline", str(path)]) == 0
    assert "values by image" not in capfd.readouterr().out
    sidecar_path(path).unlink()
    assert invoke(["check", str(out), "--baseline", str(path)]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "No values by image: gate.parquet is not there" in said
    assert "tolerance and spread over seeds decide" in said


def test_values_by_image_of_another_baseline_are_refused(
    out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gate.json"
    invoke(["baseline", str(out), str(path)])
    spoilt = bytearray(sidecar_path(path).read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    sidecar_path(path).write_bytes(spoilt)
    capfd.readouterr()
    assert invoke(["check", str(out), "--baseline", str(path)]) == 2
    said = capfd.readouterr().err
    assert "gate.parquet, found others" in said
    assert said.count("\n") == 1


def test_an_update_keeps_the_spread_of_more_seeds(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline([run(result("ssim", v), seed=s) for s, v in enumerate((0.4, 0.5, 0.6))], path)
    update(path, [run(result("ssim", 0.7))])
    once = read_baseline(path).rows[ROW].metrics["ssim"]
    assert once.spread is not None
    assert (once.spread.sd, once.spread.seeds) == (pytest.approx(0.1), 3)
    update(path, [run(result("ssim", v), seed=s) for s, v in enumerate((0.70, 0.71))])
    twice = read_baseline(path).rows[ROW].metrics["ssim"]
    assert (twice.value, twice.spread) == (0.705, once.spread)
    update(path, [run(result("ssim", v), seed=s) for s, v in enumerate((0.70, 0.71, 0.72))])
    assert read_baseline(path).rows[ROW].metrics["ssim"].spread != once.spread
    assert "kept_spread" not in path.read_text()


def test_an_update_names_the_rows_that_it_drops_and_refuses_what_it_cannot_read(
    out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gate.json"
    assert invoke(["baseline", str(out), str(path)]) == 0
    assert invoke(["baseline", str(out), str(path)]) == 2
    assert "--update" in capfd.readouterr().err
    (out / "records" / "real.json").unlink()
    assert invoke(["baseline", str(out), str(path), "--update"]) == 0
    assert "dropped, not among the records: toycity/labels2photo/64px/real" in capfd.readouterr().out
    path.write_text("<<<<<<< HEAD\n" + path.read_text())
    assert invoke(["baseline", str(out), str(path), "--update"]) == 2
    assert path.read_text().startswith("<<<<<<<")


def test_a_baseline_that_is_too_large_or_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text("{}" + " " * MAX_JSON_BYTES)
    with pytest.raises(UsageError, match="more than 16,777,216 bytes; write one with"):
        read_baseline(path)
    with pytest.raises(UsageError, match="not a regular file"):
        read_baseline(tmp_path)

"""What `bench publish` leaves: checkable by others, and nothing that must stay at home."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic import write_output

from bench.analysis.rows import Row
from bench.cli.main import cli
from bench.core.errors import UsageError
from bench.records.record import read_per_image, read_records, write_record
from bench.records.seal import check_seal
from bench.report.publish import _bands, publish


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out, folder = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("to") / "study"
    write_output(out)
    for record in read_records(out):
        typed = "bench run --data-root toycity=/home/me/data/toy --out /home/me/out --seeds 0-1"
        held = record.details | {"judge": {"environment": {"command": "bench judge train --to ~/judge"}}}
        write_record(out, replace(record, environment={**record.environment, "command": typed}, details=held))
    publish(out, folder)
    return out, folder


def test_records_say_the_same_and_name_no_path_of_the_machine(published: tuple[Path, Path]) -> None:
    out, folder = published
    for mine, theirs in zip(read_records(out), read_records(folder), strict=True):
        assert (theirs.id, theirs.results, theirs.spec) == (mine.id, mine.results, mine.spec)
        assert theirs.environment["command"] == "bench run --data-root toycity=toy --out out --seeds 0-1"
        assert theirs.details["judge"]["environment"]["command"] == "bench judge train --to judge"
        before, after = read_per_image(out, mine), read_per_image(folder, theirs)
        assert (before is None and after is None) or before.equals(after)
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".md", ".csv"):
            assert "/home/me" not in path.read_text(encoding="utf-8"), path


def test_the_only_images_are_generated_ones(published: tuple[Path, Path]) -> None:
    _, folder = published
    named = {path.name for path in folder.rglob("*.png")}
    assert any(name.endswith("-generated.png") for name in named)
    assert not any("gallery" in name for name in named)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "figures/s1-generated.png" in text
    assert "[images](figures/s1-generated.png): l1, l1+cgan" in text  # of a claim of the ledger
    assert "-gallery.png" not in text
    assert all((folder / "figures" / name).is_file() for name in named)


def test_many_columns_stand_in_bands_and_the_lengths_of_a_variant_together() -> None:
    rows = [Row(f"{name} {steps}", "run", [], name) for name in "abcde" for steps in (2, 8, 25)]
    bands = [[row.label for row in band] for band in _bands(rows)]
    assert [len(band) for band in bands] == [6, 6, 3]
    assert bands[1] == ["c 2", "c 8", "c 25", "d 2", "d 8", "d 25"]
    assert len(_bands(rows[:8])) == 1
    assert [len(band) for band in _bands([Row(f"a {n}", "run", [], "a") for n in range(10)])] == [8, 2]


def test_a_baseline_of_what_is_published_passes_the_study_that_was(
    published: tuple[Path, Path], tmp_path: Path
) -> None:
    out, folder = published
    baseline = str(tmp_path / "baseline.json")
    assert CliRunner().invoke(cli, ["baseline", str(folder), baseline]).exit_code == 0
    outcome = CliRunner().invoke(cli, ["check", str(out), "--baseline", baseline])
    assert outcome.exit_code == 0, outcome.output


def test_the_published_records_are_sealed(published: tuple[Path, Path]) -> None:
    _, folder = published
    check_seal(folder)


def test_claims_and_checks_are_written(published: tuple[Path, Path]) -> None:
    _, folder = published
    held = json.loads((folder / "claims.json").read_text())
    assert {one["verdict"] for one in held["claims"]} <= {"supported", "contradicted", "undecided"}
    assert any(check["name"] == "no run failed or diverged" for check in held["sanity"])


def test_a_published_folder_is_published_again_with_its_images(published: tuple[Path, Path]) -> None:
    _, folder = published
    before = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    text = (folder / "report.md").read_text(encoding="utf-8")
    publish(folder, folder, update=True)
    name = "s1-generated.png"
    assert (folder / "figures" / name).read_bytes() == before[name]
    again = (folder / "report.md").read_text(encoding="utf-8")
    mark = "### Generated images"
    assert again[again.index(mark) :] == text[text.index(mark) :]
    assert again.count(mark) == 1
    assert {path.name for path in (folder / "figures").iterdir()} == set(before)


def test_unfinished_runs_are_left_out_by_name_and_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "study"
    write_output(out)
    first = next(record for record in read_records(out) if record.kind == "run")
    write_record(out, replace(first, status="diverged", error="loss_l1 is nan", results={}))
    _, notes = publish(out, folder)
    assert notes == [f"left out: {first.label} seed {first.seed} diverged"]
    assert first.id not in {record.id for record in read_records(folder)}
    with pytest.raises(UsageError, match="give --update to replace it"):
        publish(out, folder)
    publish(out, folder, update=True)


def test_an_output_without_finished_runs_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_output(out)
    for record in read_records(out):
        write_record(out, replace(record, status="failed", error="no memory", results={}))
    with pytest.raises(UsageError, match="nothing to publish"):
        publish(out, tmp_path / "study")
    assert not (tmp_path / "study").exists()

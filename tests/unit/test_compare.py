"""Two records side by side: differences over the same images, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.analysis.compare_outputs import compare, load
from bench.cli.main import invoke
from bench.core.errors import NotComparableError, UsageError
from bench.records.record import Goal, MetricResult, RunRecord, read_per_image, read_record, write_record
from bench.scoring.metrics.confusion import ABSENT_LEFT_OUT, scores_from_confusion

N = 40
RNG = np.random.default_rng(3)
HARD = RNG.normal(size=N)  # some images are harder for everybody
DATA = {
    "name": "streets", "direction": "labels2photo", "source": "paired", "train_n": 9, "test_n": N,
    "train_fingerprint": "aa", "test_fingerprint": "bb",
}  # fmt: skip


def write(out: Path, label: str, *, shift: float = 0.0, seed: int = 0, **changes: Any) -> Path:
    """A record with an SSIM of 0.5 + `shift` and FCN scores from its confusion matrices."""
    rng = np.random.default_rng([seed, *label.encode()])
    ssim = 0.5 + shift + 0.1 * HARD + 0.01 * rng.normal(size=N)
    matrices = rng.integers(1, 30, (N, 3, 3)) + (50 * (1 + shift) * np.eye(3)).astype(np.int64)
    iou = float(scores_from_confusion(matrices.sum(0), ABSENT_LEFT_OUT)[2])
    protocols = {
        "ssim": {"version": 1, "size_px": 64},
        "fid": {"version": 1, "resize": "tf1"},
        "fcn_class_iou": {"judge_hash": "ab", "class_policy": ABSENT_LEFT_OUT},
    }
    for key, more in changes.get("protocols", {}).items():
        protocols[key] = {**protocols[key], **more}
    n = changes.get("n", N)
    results = [
        MetricResult("ssim", float(ssim.mean()), "max", n, protocols["ssim"], interval=(0.4, 0.6)),
        MetricResult("fid", 30.0 + shift, "min", n, protocols["fid"]),
        MetricResult("fcn_class_iou", iou, "max", n, protocols["fcn_class_iou"]),
    ]
    data = {**DATA, **changes.get("data", {})}
    steps = changes.get("steps", 9)
    training = {"size_px": 64, "steps": steps}
    spec = {"data": data, "variant": {"name": label}, "training": training, "seed": seed}
    length = "" if steps == 9 else f"-{steps}-steps"
    name = f"{label.replace('+', '-')}{length}-{seed}{changes.get('mark', '')}"
    record = RunRecord(
        name, "run", label, spec, changes.get("status", "finished"),
        {result.name: result for result in results}, details={"data": {"test_pixels": changes.get("pixels")}},
    )  # fmt: skip
    columns = {"name": [str(i) for i in range(N)], "ssim": ssim, "fcn_conf": [m.ravel() for m in matrices]}
    return write_record(out, record, pd.DataFrame(columns))


def test_differences_are_paired(tmp_path: Path) -> None:
    one, other = write(tmp_path, "l1", shift=0.02), write(tmp_path, "cgan")
    found = {line.metric: line for line in compare(load(one), load(other)).lines}
    ssim = found["ssim"]
    assert ssim.difference == pytest.approx(ssim.a - ssim.b)
    assert ssim.difference == pytest.approx(0.02, abs=0.01)
    assert ssim.interval is not None
    assert ssim.interval[0] < ssim.difference < ssim.interval[1]
    assert ssim.interval[1] - ssim.interval[0] < 0.02  # each alone: 0.06, since images differ in hardness
    assert ssim.distinguishable
    assert ssim.basis == "images"
    assert found["fcn_class_iou"].interval is not None
    assert found["fid"].p_value is None  # no values by image, one seed
    assert not found["fid"].distinguishable


def test_the_sides_keep_their_order(tmp_path: Path) -> None:
    one, other = load(write(tmp_path, "l1", shift=0.02)), load(write(tmp_path, "cgan"))
    there, back = (
        {line.metric: line for line in compare(*pair).lines} for pair in ((one, other), (other, one))
    )
    for key, line in there.items():
        assert (line.a, line.b) == (back[key].b, back[key].a)
        assert line.difference == pytest.approx(-back[key].difference)
        assert line.distinguishable == back[key].distinguishable


def test_a_record_does_not_differ_from_itself(tmp_path: Path) -> None:
    one = load(write(tmp_path, "l1"))
    for line in compare(one, one).lines:
        assert line.difference == 0
        assert not line.distinguishable


def test_outputs_are_compared_row_by_row_over_seeds(tmp_path: Path) -> None:
    for out, shift in ((tmp_path / "a", 0.0), (tmp_path / "b", 0.03)):
        for label in ("l1", "l1+cgan"):
            for seed in (0, 1):
                write(out, label, shift=shift, seed=seed)
    write(tmp_path / "a", "gan")
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"), ["ssim"])
    assert [line.row for line in found.lines] == ["l1", "l1+cgan"]
    assert all(line.difference == pytest.approx(-0.03, abs=0.01) for line in found.lines)
    assert found.notes == ("only in A: gan",)


def test_training_lengths_of_one_label_are_rows_of_their_own(tmp_path: Path) -> None:
    """As `--keep-at` leaves them: no length counts as more seeds of another."""
    for side, shift in (("a", 0.0), ("b", 0.03)):
        for steps, more in ((9, 0.2), (16, 0.1), (4, 0.0)):
            for seed in (0, 1):
                write(tmp_path / side, "l1", shift=shift + more, seed=seed, steps=steps)
        write(tmp_path / side, "cgan", shift=shift)
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"), ["ssim"])
    labels = ["l1 (steps=4)", "l1 (steps=9)", "l1 (steps=16)"]
    assert [line.row for line in found.lines] == ["cgan", *labels]
    for line in found.lines[1:]:
        assert line.seeds == (2, 2)
        assert line.difference == pytest.approx(-0.03, abs=0.01)
    assert found.notes == ()


def test_a_length_that_one_side_lacks_is_not_compared(tmp_path: Path) -> None:
    for steps in (4, 9):
        write(tmp_path / "a", "l1", steps=steps)
    write(tmp_path / "b", "l1", shift=0.1)
    write(tmp_path / "c", "l1", steps=6)
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"), ["ssim"])
    assert [line.row for line in found.lines] == ["l1 (steps=9)"]
    assert found.notes == ("only in A: l1 (steps=4)",)
    with pytest.raises(
        NotComparableError, match=r"l1 \(steps=4\), l1 \(steps=9\) in A and l1 \(steps=6\) in B"
    ):
        compare(load(tmp_path / "a"), load(tmp_path / "c"))


def test_one_length_on_each_side_is_compared_and_the_difference_said(tmp_path: Path) -> None:
    for label, steps in (("l1", 4), ("cgan", 9)):
        write(tmp_path / "a", label)
        write(tmp_path / "b", label, steps=steps)
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"), ["ssim"])
    assert [line.row for line in found.lines] == ["cgan", "l1"]
    assert found.notes == ("trained or tested with other settings in l1: steps 9 against 4",)
    only = [load(next((tmp_path / side / "records").glob("l1*.json"))) for side in "ab"]
    assert compare(*only, ["ssim"]).notes == ("trained or tested with other settings: steps 9 against 4",)


def test_two_records_of_one_seed_in_a_row_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for mark in ("", "-again"):
        write(tmp_path / "a", "l1", mark=mark)
    write(tmp_path / "b", "l1")
    sides = tmp_path / "a", tmp_path / "b"
    with pytest.raises(
        UsageError, match=r"one record for l1 \(seed 0\) in A, found l1-0-again and l1-0: name"
    ):
        compare(*map(load, sides))
    capfd.readouterr()
    assert invoke(["compare", *map(str, sides)]) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def terminal(capfd: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capfd.readouterr()
    assert invoke(["compare", *arguments]) == 0
    return [line.rstrip() for line in capfd.readouterr().out.splitlines()]


def test_where_seeds_decide_the_table_says_so_and_shows_their_interval(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images tell the two apart (p), but seeds differ among themselves by more than the two."""
    for out, shifts in (("a", (0.0, 0.3)), ("b", (0.1, 0.5))):
        for seed, shift in enumerate(shifts):
            write(tmp_path / out, "l1", shift=shift, seed=seed)
    sides = str(tmp_path / "a"), str(tmp_path / "b")
    (line,) = compare(*map(load, map(Path, sides)), ["ssim"]).lines
    assert line.p_value is not None
    assert line.over_seeds is not None
    assert (line.p_value < 0.05, line.distinguishable, line.decided_by) == (True, False, "seeds")
    assert line.over_seeds[0] < 0 < line.over_seeds[1]
    monkeypatch.setenv("COLUMNS", "40")  # no terminal: nothing is broken or cut, however narrow
    lines = terminal(capfd, *sides, "--metrics", "ssim")
    shown = next(text for text in lines if text.startswith("ssim"))
    assert shown.endswith(f"{line.p_value:.2g} unclear (seeds)")
    assert " to ".join(f"{end:+.3f}" for end in line.over_seeds) in shown
    assert any("tell the two apart (p), other seeds may not" in text for text in lines)
    one, other = (str(next((tmp_path / side / "records").glob("*-0.json"))) for side in "ab")
    lines = terminal(capfd, one, other, "--metrics", "ssim")
    assert next(text for text in lines if text.startswith("ssim")).endswith(" B")
    assert "(seeds)" not in " ".join(lines)


def test_the_better_side_is_named_and_a_small_difference_has_digits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """0.0004 of an SSIM is no "+0.000", and less is better where the metric says so."""
    one, other = write(tmp_path / "a", "l1"), write(tmp_path / "b", "l1", shift=0.0)
    for path, moved in ((one, 0.0), (other, 0.0004)):
        record, table = read_record(path), read_per_image(path.parent.parent, read_record(path))
        assert table is not None
        table["ssim"] += moved
        record.results["ssim"] = replace(record.results["ssim"], value=float(table["ssim"].mean()))
        table["mae"] = 20 + 100 * table["ssim"]
        record.results["mae"] = replace(
            record.results["ssim"], name="mae", value=float(table["mae"].mean()), goal="min"
        )
        write_record(path.parent.parent, record, table)
    lines = {line.split()[0]: line for line in terminal(capfd, str(one), str(other)) if line}
    assert "-0.00040 " in lines["ssim"]
    assert lines["ssim"].endswith(" B")
    assert "-0.040 " in lines["mae"]
    assert lines["mae"].endswith(" A")
    assert lines["better:"].startswith("better: the better side, where p is at most 5 %")


def test_the_table_fits_80_columns_and_a_reason_stands_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for out, shift in ((tmp_path / "a", 0.0), (tmp_path / "b", 0.02)):
        for label in ("l1", "l1+cgan"):
            for seed in (0, 1):
                path = write(out, label, shift=shift, seed=seed)
                record = read_record(path)
                for name in ("kid", "lpips"):
                    record.results[name] = MetricResult(name, None, "min", N, {}, reason="no weights")
                record.results["source_response"] = replace(record.results["ssim"], name="source_response")
                write_record(out, record, read_per_image(out, record))
    lines = terminal(capfd, str(tmp_path / "a"), str(tmp_path / "b"))
    heads = [line for line in lines if line.startswith("metric")]
    assert len(heads) == 2  # a table a row
    assert all(line.endswith("better") for line in heads)
    table = lines[2 : next(at for at, line in enumerate(lines) if line.startswith("p: "))]
    assert len(table) == 2 * (1 + 1 + 4)
    assert max(map(len, table)) <= 80
    assert sum(line.startswith("source_response ") for line in lines) == 2
    assert [line for line in lines if "not compared" in line] == ["not compared: kid, lpips (no weights)"]


def test_what_one_row_alone_lacks_is_said_of_that_row(tmp_path: Path) -> None:
    for out in (tmp_path / "a", tmp_path / "b"):
        for label in ("l1", "l1+cgan"):
            path = write(out, label)
            if (out.name, label) == ("b", "l1"):
                record = read_record(path)
                del record.results["fid"]
                write_record(out, record, read_per_image(out, record))
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"))
    assert found.notes == ("not compared in l1: fid (one side was not scored for it)",)


def test_other_protocols_are_refused_by_field(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changed = {"ssim": {"window": "uniform 7", "size_px": 128}, "fcn_class_iou": {"judge_hash": "cd"}}
    one, other = write(tmp_path, "l1"), write(tmp_path, "cgan", protocols=changed)
    with pytest.raises(NotComparableError) as error:
        compare(load(one), load(other))
    for said in ("ssim", "size_px 64 against 128", "window – against uniform 7", "judge_hash ab against cd"):
        assert said in str(error.value)
    assert "fid" not in str(error.value)
    assert [line.metric for line in compare(load(one), load(other), ["fid"]).lines] == ["fid"]
    capfd.readouterr()
    assert invoke(["compare", str(one), str(other)]) == 3
    assert "judge_hash" in capfd.readouterr().err
    assert invoke(["compare", str(one), str(other), "--metrics", "fid"]) == 0


def test_distances_need_one_n(tmp_path: Path) -> None:
    one, other = write(tmp_path, "l1"), write(tmp_path, "cgan", n=N - 1)
    with pytest.raises(NotComparableError, match=r"fid \(n 40 against 39\)"):
        compare(load(one), load(other), ["fid"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"test_fingerprint": "cc"}, "data.test_fingerprint bb against cc"),
        ({"test_n": 12}, "data.test_n 40 against 12"),
        ({"name": "facades"}, "data.name streets against facades"),
    ],
)
def test_other_test_images_are_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    one, other = write(tmp_path / "a", "l1"), write(tmp_path / "b", "l1", data=changed)
    for pair in ((one, other), (tmp_path / "a", tmp_path / "b")):
        with pytest.raises(NotComparableError, match=said):
            compare(load(pair[0]), load(pair[1]))


@pytest.mark.parametrize(
    ("files", "pixels", "compares"),
    [
        (("bb", "cc"), ("77", "77"), True),  # the same images in another layout
        (("bb", "bb"), ("77", "88"), False),  # the same files, read in another way
        (("bb", "cc"), ("77", None), False),  # a record from before: its files decide
        (("bb", "bb"), ("77", None), True),
        (("bb", "bb"), (None, None), True),
    ],
)
def test_pixels_decide_what_the_same_test_images_are_where_both_sides_have_them(
    tmp_path: Path, files: tuple[str, str], pixels: tuple[str | None, str | None], compares: bool
) -> None:
    one, other = (
        write(tmp_path / folder, label, data={"test_fingerprint": of}, pixels=seen)
        for folder, label, of, seen in zip("ab", ("l1", "cgan"), files, pixels, strict=True)
    )
    from bench.analysis.entry import load_entries
    from bench.analysis.sections import sections

    found = sections(load_entries([tmp_path / "a", tmp_path / "b"])[0])
    assert len(found) == (1 if compares else 2)
    if compares:
        assert compare(load(one), load(other)).lines
        return
    with pytest.raises(NotComparableError, match=r"data\.test_fingerprint"):
        compare(load(one), load(other))


def test_outputs_without_a_common_row_are_refused(tmp_path: Path) -> None:
    for out, labels in ((tmp_path / "a", ("l1", "gan")), (tmp_path / "b", ("cgan", "l1+cgan"))):
        for label in labels:
            write(out, label)
    with pytest.raises(NotComparableError, match=r"found gan, l1 in A and cgan, l1\+cgan in B"):
        compare(load(tmp_path / "a"), load(tmp_path / "b"))


def test_what_cannot_be_loaded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    failed = write(tmp_path, "l1", status="diverged")
    with pytest.raises(UsageError, match="diverged"):
        load(failed)
    with pytest.raises(UsageError, match="did not finish"):
        load(tmp_path)
    assert invoke(["compare", str(tmp_path / "none"), str(failed)]) == 2
    assert "none" in capfd.readouterr().err
    fine = write(tmp_path, "cgan")
    assert invoke(["compare", str(fine), str(fine), "--metrics", "sim"]) == 2
    assert "did you mean 'ssim'" in capfd.readouterr().err


def test_the_report_and_the_gate_refuse_as_well(tmp_path: Path) -> None:
    from bench.analysis.entry import Entry
    from bench.analysis.sections import sections
    from bench.gate.baseline import Baseline, save_baseline
    from bench.gate.check import check
    from bench.records.record import read_records

    write(tmp_path / "a", "l1")
    write(tmp_path / "b", "l1", protocols={"ssim": {"window": "uniform 7"}})
    write(tmp_path / "b", "cgan")
    both = [Entry(r, tmp_path / side) for side in "ab" for r in read_records(tmp_path / side)]
    (made,) = sections(both)
    titles = [column.title for column in made.columns]
    assert [title for title in titles if title.startswith("SSIM")] == ["SSIM (a)", "SSIM (b)"]
    assert any("window" in note and "uniform 7" in note for note in made.notes)
    baseline = tmp_path / "baseline.json"
    save_baseline(Baseline.from_records(read_records(tmp_path / "a"), tmp_path / "a"), baseline)
    verdicts = {v.metric: v for v in check(tmp_path / "b", baseline)[0].verdicts if "l1" in v.row}
    assert verdicts["ssim"].state == "incomparable"
    assert "window" in verdicts["ssim"].note
    assert verdicts["fid"].state == "pass"


def test_values_of_two_goals_share_no_column(tmp_path: Path) -> None:
    from bench.analysis.sections import sections

    goals: dict[str, Goal] = {"l1": "max", "cgan": "min"}
    for label, goal in goals.items():
        path = write(tmp_path, label)
        record = read_record(path)
        own = replace(record.results["ssim"], name="mine", goal=goal)
        write_record(tmp_path, replace(record, results={"mine": own}), read_per_image(tmp_path, record))
    entries = load(tmp_path)
    (made,) = sections(entries)
    assert len({column.id for column in made.columns}) == 2
    assert sorted(str(column.goal) for column in made.columns) == ["max", "min"]
    for column in made.columns:
        assert [row.mean(column) is None for row in made.rows].count(True) == 1
    assert any("goal: (a) " in note for note in made.notes)
    with pytest.raises(NotComparableError, match=r"mine \(goal m.. against m..\)"):
        compare([entries[0]], [entries[1]])

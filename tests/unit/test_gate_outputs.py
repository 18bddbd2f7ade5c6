"""What the gate says: the table, JSON, JUnit, Markdown, and the worst images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from gate_records import decide, edit, outcome, reference, result, run, write_seeds
from rich.console import Console

from bench.cli.main import invoke
from bench.core.images import write_png
from bench.gate.images import WorstImages
from bench.gate.outcome import Verdict
from bench.gate.outputs import to_junit, to_markdown, verdict_table


def shown(verdicts: list[Verdict], width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(verdict_table(outcome(verdicts)))
    return captured.get().splitlines()


def test_the_table_shows_every_verdict_worst_first(tmp_path: Path) -> None:
    before = [run(result("ssim", 0.5), result("psnr", 20.0))]
    verdicts = decide(tmp_path, before, [run(result("ssim", 0.1), result("psnr", None))])
    title, _head, first, second, *notes = shown(verdicts, 200)
    assert title.startswith("toycity/labels2photo/64px against the baseline: 1 regressed, 1 missing")
    assert first.split() == ["regressed", "100", "steps/l1", "ssim", "0.5", "0.1", "-0.4", "0.01", "–", "[1]"]
    assert second.split() == ["missing", "100", "steps/l1", "psnr", "20", "–", "–", "–", "–", "[2]"]
    said = ["[1] decided by tolerance alone: its noise is not known", "[2] no weights"]
    assert [note.strip() for note in notes] == said


def test_a_table_without_notes_fits_a_narrow_terminal(tmp_path: Path) -> None:
    before = [run(result("pixel_acc@10", 0.123456789)), reference(result("fd_lite0", 1234.5678, "min"))]
    lines = shown(decide(tmp_path, before, before), 80)
    assert len(lines) == 4
    assert "note" not in lines[1]


def test_the_table_does_not_take_a_label_for_markup(tmp_path: Path) -> None:
    record = run(result("ssim", 0.5), label="l1[lambda_l1=10]")
    assert "steps/l1[lambda_l1=10]" in shown(decide(tmp_path, [record], [record]), 200)[2]


EVIL = "l1|<script>alert(1)</script>\x07]&"
STATES = [
    Verdict("ssim", f"d/s/1px/{EVIL}", 0.5, 0.1, -0.4, 0.01, "regressed", p_value=0.001, basis="seeds"),
    Verdict("psnr", "d/s/1px/l1", 20.0, None, None, None, "missing", "no weights"),
    Verdict("fid", "d/s/1px/l1", 5.0, 4.0, None, None, "incomparable", "scored in another way: resize"),
    Verdict("mae", "d/s/1px/l1", 5.0, 4.0, -1.0, 0.1, "improved"),
    Verdict("kid", "d/s/1px/l1", 0.1, 0.1, 0.0, 0.1, "pass"),
]


def test_junit_counts_what_failed_and_what_is_undecided() -> None:
    suite = ElementTree.fromstring(to_junit(outcome(STATES))).find("testsuite")
    assert suite is not None
    assert {n: suite.get(n) for n in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "1", "errors": "2", "skipped": "0",
    }  # fmt: skip
    cases = {case.get("name"): case for case in suite}
    assert cases["ssim"].get("classname") == f"d/s/1px/{EVIL}".replace("\x07", "\ufffd")
    failure = cases["ssim"].find("failure")
    assert failure is not None
    assert "a change of -0.4, 0.01 allowed; p = 0.001 by seeds" in str(failure.get("message"))
    assert [cases[name][0].tag for name in ("psnr", "fid", "mae", "kid")] == ["error"] * 2 + [
        "system-out"
    ] * 2
    allowed = replace(outcome(STATES), allowed=frozenset({"missing"}))
    suite = ElementTree.fromstring(to_junit(allowed)).find("testsuite")
    assert suite is not None
    assert (suite.get("errors"), suite.get("skipped")) == ("1", "1")


def test_markdown_says_first_what_matters_and_escapes_names() -> None:
    text = to_markdown(outcome(STATES), WorstImages())
    assert text.startswith("## Gate failed: a metric regressed\n\n1 regressed, 1 incomparable, 1 missing")
    assert "<script>" not in text
    assert "l1\\|&lt;script&gt;" in text
    assert text.index("improved") < text.index("<details>") < text.index("kid")
    assert "passed" in to_markdown(outcome(STATES[3:]), WorstImages()).splitlines()[0]
    assert "undecided" in to_markdown(outcome(STATES[1:]), WorstImages()).splitlines()[0]


@pytest.fixture
def outs(tmp_path: Path) -> tuple[Path, Path]:
    """Two outputs with images; in the second, image 007 lost most, then 003."""
    made = []
    for side, losses in (("before", {}), ("after", {3: 0.2, 7: 0.4, 9: 0.3})):
        out = tmp_path / side
        rng = np.random.default_rng(1)
        columns = {}
        for seed in range(3):
            ssim = 0.5 + rng.normal(0, 0.001, 10) - (0.1 if losses else 0)
            for place, loss in losses.items():
                ssim[place] -= loss
            columns[seed] = {"ssim": ssim}
        write_seeds(out, columns, {"ssim": "max"})
        (out / "predictions").mkdir()
        for place in range(10):
            write_png(out / "predictions" / f"{place:03}.png", np.full((4, 4, 3), place, np.uint8))
        gallery = {"names": [f"{i:03}" for i in range(8)], "predictions": "predictions",
                   "sources": "s", "targets": "t"}  # fmt: skip
        for seed in range(3):
            edit(out / "records" / f"l1-s{seed}.json", lambda c, g=gallery: c.update(gallery=g))
        made.append(out)
    return made[0], made[1]


def test_all_outputs_of_a_regression_with_its_worst_images(
    outs: tuple[Path, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, after = outs
    gate, ci = tmp_path / "gate.json", tmp_path / "ci"
    assert invoke(["baseline", str(before), str(gate), "--images"]) == 0
    assert len(list((tmp_path / "gate-images").rglob("*.png"))) == 8
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = ["--json", str(ci / "g.json"), "--junit", str(ci / "g.xml"), "--markdown", str(ci / "g.md")]
    assert invoke(["check", str(after), "--baseline", str(gate), *files]) == 1
    content = json.loads((ci / "g.json").read_text())
    assert (content["exit_code"], content["verdicts"][0]["state"]) == (1, "regressed")
    assert [pair["name"] for pair in content["images"]][:2] == ["007", "003"]  # 009 is not kept
    assert Path(content["images"][0]["measured"]) == after / "predictions" / "007.png"
    text = (ci / "g.md").read_text()
    note = "Chosen from the gallery images that the baseline keeps (at most 8 a row, of its first seed)"
    assert content["images_note"].startswith(note)
    assert note in text
    assert content["images_not_shown"] == 8 - len(content["images"])  # all eight got worse
    assert "](../gate-images/" in text
    assert "](../after/predictions/007.png)" in text
    assert summary.read_text().startswith("before\n## Gate failed")
    assert "![" not in summary.read_text()  # a job summary shows no local file: paths are named
    capfd.readouterr()
    assert invoke(["check", str(after), "--baseline", str(gate), "--json", "-"]) == 1
    assert json.loads(capfd.readouterr().out) == content
    assert invoke(["baseline", str(after), str(gate), "--update"]) == 0  # images stay images
    assert len(list((tmp_path / "gate-images").rglob("*.png"))) == 8
    assert invoke(["check", str(after), "--baseline", str(gate)]) == 0


def test_the_worst_images_are_of_every_row_and_metric_and_none_comes_twice(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Five rows of four metrics: in one, image 000 is worst in all; elsewhere each metric has its own."""
    metrics = ("mae", "pixel_acc@5", "psnr", "ssim")
    labels = ("cgan", "encdec", "gan", "l1", "l1+cgan")
    for side in ("before", "after"):
        out = tmp_path / side
        for row, label in enumerate(labels):
            columns: dict[int, dict[str, np.ndarray]] = {}
            for seed in range(3):
                columns[seed] = {}
                for place, name in enumerate(metrics):
                    values = np.linspace(0.5, 0.6, 10) + seed / 1e4
                    if side == "after":
                        losses = 0.2 + 0.001 * np.arange(10)
                        losses[0 if row == 0 else place] += 0.3
                        values = values - losses
                    columns[seed][name] = -values if name == "mae" else values
            write_seeds(out, columns, {n: "min" if n == "mae" else "max" for n in metrics}, label)
        (out / "predictions").mkdir()
        for place in range(10):
            write_png(out / "predictions" / f"{place:03}.png", np.full((4, 4, 3), place, np.uint8))
        gallery = {"names": [f"{i:03}" for i in range(8)], "predictions": "predictions",
                   "sources": "s", "targets": "t"}  # fmt: skip
        for record in (out / "records").glob("*.json"):
            edit(record, lambda c, g=gallery: c.update(gallery=g))
    gate = tmp_path / "gate.json"
    assert invoke(["baseline", str(tmp_path / "before"), str(gate), "--images"]) == 0
    edit(gate, lambda c: c.update(tolerances={"*": {"absolute": 0.01}}))
    capfd.readouterr()
    assert invoke(["check", str(tmp_path / "after"), "--baseline", str(gate), "--json", "-"]) == 1
    content = json.loads(capfd.readouterr().out)
    assert [one["state"] for one in content["verdicts"]] == ["regressed"] * 20
    shown = [(pair["row"].rsplit("/")[-1], pair["metric"], pair["name"]) for pair in content["images"]]
    assert len(shown) == len({(label, name) for label, _, name in shown}) == 12
    assert [label for label, _, _ in shown[:5]] == list(labels)  # rows take turns
    assert [pair for pair in shown if pair[0] == "l1"] == [("l1", "mae", "000"), ("l1", "pixel_acc@5", "001")]
    assert [pair[2] for pair in shown if pair[0] == "cgan"] == ["000", "007", "006"]
    assert content["images_not_shown"] == 5 * 8 - 12
    assert f"{5 * 8 - 12} more that got worse not shown" in content["images_note"]


def test_a_folder_that_no_baseline_has_written_is_left_alone(
    outs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gate, holiday = tmp_path / "gate.json", tmp_path / "gate-images" / "holiday" / "beach.png"
    holiday.parent.mkdir(parents=True)
    holiday.write_bytes(b"mine")
    assert invoke(["baseline", str(outs[0]), str(gate), "--images"]) == 2
    said = capfd.readouterr().err
    assert (said.count("\n"), "gate-images" in said) == (1, True)
    assert not gate.exists()
    assert not gate.with_suffix(".parquet").exists()
    assert invoke(["baseline", str(outs[0]), str(gate)]) == 0
    before = gate.read_bytes()
    assert invoke(["baseline", str(outs[0]), str(gate), "--update", "--images"]) == 2
    assert (gate.read_bytes(), holiday.read_bytes()) == (before, b"mine")
    holiday.parent.rename(tmp_path / "holiday")
    holiday.parent.parent.rmdir()
    assert invoke(["baseline", str(outs[0]), str(gate), "--update", "--images"]) == 0
    ours = tmp_path / "gate-images"
    (tmp_path / "holiday").rename(ours / "holiday")
    (ours / "note.txt").write_text("mine too")
    for record in (outs[1] / "records").glob("*.json"):  # fewer images: the older ones go, and those alone
        edit(record, lambda c: c["gallery"].update(names=["001"]))
    assert invoke(["baseline", str(outs[1]), str(gate), "--update"]) == 0
    left = sorted(path.name for path in ours.rglob("*") if path.is_file())
    assert left == ["001.png", "beach.png", "note.txt"]


def test_a_baseline_that_cannot_be_written_leaves_the_images_of_the_older_one(
    outs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.gate import baseline

    gate = tmp_path / "gate.json"
    assert invoke(["baseline", str(outs[0]), str(gate), "--images"]) == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "gate-images").rglob("*.png")}

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(baseline, "write_text", full)
    for record in (outs[1] / "records").glob("*.json"):
        edit(record, lambda c: c["gallery"].update(names=["009"]))
    assert invoke(["baseline", str(outs[1]), str(gate), "--update"]) == 2
    assert {path: path.read_bytes() for path in (tmp_path / "gate-images").rglob("*.png")} == kept


def test_an_output_that_cannot_be_written_is_named(
    outs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate.json"
    invoke(["baseline", str(outs[0]), str(gate)])
    assert invoke(["check", str(outs[0]), "--baseline", str(gate), "--junit", str(gate / "x.xml")]) == 2
    assert "x.xml" in capfd.readouterr().err


def test_the_project_sets_tolerances_in_its_pyproject(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write_seeds(tmp_path / "a", {0: {"ssim": np.linspace(0.4, 0.6, 9)}}, {"ssim": "max"})
    after = write_seeds(tmp_path / "b", {0: {"ssim": np.linspace(0.37, 0.57, 9)}}, {"ssim": "max"})
    gate = tmp_path / "gate.json"
    invoke(["baseline", str(before), str(gate)])
    folder = tmp_path / "project" / "sub"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    table = "tool.pix2pix-bench.gate"

    def outcome_with(text: str) -> int:
        (tmp_path / "project" / "pyproject.toml").write_text(text)
        return invoke(["check", str(after), "--baseline", str(gate)])

    assert outcome_with("") == 1
    assert outcome_with(f"[{table}.tolerances]\nssim = {{ absolute = 0.1 }}") == 0
    assert outcome_with(f"[{table}.rows.l1]\nssim = {{ relative = 0.1 }}") == 0
    assert outcome_with(f'[{table}.rows."toycity/*"]\nssim = {{ relative = 0.1 }}') == 0
    assert outcome_with(f"[{table}.rows.gan]\nssim = {{ relative = 0.1 }}") == 1
    nearer = f"[{table}.tolerances]\nssim = {{ absolute = 1 }}\n[{table}.rows.l1]\nssim = {{ absolute = 0 }}"
    assert outcome_with(nearer) == 1
    assert outcome_with(f'[{table}]\nmetrics = ["fid"]') == 2
    capfd.readouterr()
    for text, said in (
        (f"[{table}]\nalhpa = 1", "unknown key 'alhpa'"),
        (f"[{table}]\nalpha = 2", "alpha"),
        (f'[{table}]\nallow = ["regressed"]', "allow"),
        (f"[{table}]\nmetrics = 1", "metrics: expected a list"),
        (f"[{table}.tolerances]\nssim = 1", "pyproject.toml"),
        (f"[{table}.tolerances]\nssim = {{ absolut = 1 }}", "absolut"),
        (f"[{table}", "expected TOML"),
    ):
        assert outcome_with(text) == 2
        error = capfd.readouterr().err
        assert said in error
        assert "pyproject.toml" in error

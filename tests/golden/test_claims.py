"""The ledger: verdicts on records of known differences, what is missing, refused files, exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic

from bench.analysis.entry import load_entries
from bench.analysis.sections import sections
from bench.claims.ledger import load_ledger
from bench.claims.sanity import sanity
from bench.claims.verdicts import ONE_SEED, Verdict, verdicts_of
from bench.cli.main import invoke
from bench.core.bootstrap import bootstrap_mean
from bench.core.errors import UsageError
from bench.records.record import MetricResult, RunRecord, write_record
from bench.scoring.metrics.catalogue import goal_of

N = 100


def write(
    out: Path, label: str, values: list[float], *, metric: str = "ssim", noise: float = 0.01, batch: int = 1
) -> None:
    """Runs of a variant, one a seed, whose scores by image have these means; images vary together."""
    shared = np.random.default_rng(0).normal(0, 0.05, N)
    for seed, mean in enumerate(values):
        own = np.random.default_rng([seed, *label.encode()]).normal(0, noise, N)
        scores = mean + (shared - shared.mean()) + (own - own.mean())
        result = MetricResult(
            metric, float(scores.mean()), goal_of(metric), N, {"version": 1}, interval=bootstrap_mean(scores)
        )
        spec = synthetic.spec(label, seed, dataset="toycity", direction="labels2photo")
        spec["training"]["batch_size"] = batch
        spec["data"]["test_n"] = N
        record = RunRecord(
            f"{label}-{batch}-{seed}".replace("/", "-"), "run", label, spec, "finished",
            results={metric: result}, environment={"commit": "a" * 40, "dirty": False},
        )  # fmt: skip
        names = [f"{index:03d}" for index in range(N)]
        write_record(out, record, pd.DataFrame({"name": names, metric: scores}))


def ledger(tmp_path: Path, relation: str, *, b: object = "l1", margin: float = 0.0, more: str = "") -> Path:
    """A file with the claim "mine" on cgan against b."""
    path = tmp_path / "mine.toml"
    path.write_text(
        f"""[[claims]]
id = "mine"
sentence = "Sentence."
place = "here"
{more}
[[claims.comparisons]]
a = "cgan"
relation = "{relation}"
b = {json.dumps(b)}
metric = "{"hf_ratio" if relation == "closer" else "ssim"}"
margin = {margin}
"""
    )
    return path


def decided(out: Path, path: Path) -> list[Verdict]:
    """The verdicts on "mine" alone."""
    made = sections(load_entries([out])[0])
    return verdicts_of([claim for claim in load_ledger([path]) if claim.id == "mine"], made)


@pytest.mark.parametrize(
    ("relation", "margin", "cgan", "state"),
    [
        ("above", 0.0, 0.55, "supported"),
        ("above", 0.1, 0.55, "undecided"),  # a difference, but smaller than the margin
        ("above", 0.02, 0.45, "contradicted"),
        ("above", 0.0, 0.5, "undecided"),
        ("below", 0.02, 0.45, "supported"),
        ("below", 0.0, 0.55, "contradicted"),
        ("at least", 0.02, 0.5, "supported"),
        ("at least", 0.02, 0.45, "contradicted"),
        ("at most", 0.02, 0.5, "supported"),
        ("at most", 0.02, 0.55, "contradicted"),
        ("equal", 0.02, 0.5, "supported"),
        ("equal", 0.02, 0.55, "contradicted"),
        ("equal", 0.0001, 0.5, "undecided"),  # no difference is seen, but none of this size would be
    ],
)
def test_verdicts_follow_the_difference(
    tmp_path: Path, relation: str, margin: float, cgan: float, state: str
) -> None:
    write(tmp_path / "out", "l1", [0.499, 0.5, 0.501])
    write(tmp_path / "out", "cgan", [cgan - 0.001, cgan, cgan + 0.001])
    (verdict,) = decided(tmp_path / "out", ledger(tmp_path, relation, margin=margin))
    assert verdict.state == state, verdict.reasons
    assert verdict.caveat == ""
    evidence = verdict.findings[0].evidence
    assert evidence is not None
    assert (evidence.n, evidence.seeds) == (N, (3, 3))
    assert evidence.difference == pytest.approx(cgan - 0.5)


@pytest.mark.parametrize(
    ("l1", "cgan", "state"), [(0.3, 0.8, "supported"), (0.3, 1.4, "supported"), (0.8, 0.3, "contradicted")]
)
def test_closer_is_about_distances_from_the_target(
    tmp_path: Path, l1: float, cgan: float, state: str
) -> None:
    write(tmp_path / "out", "l1", [l1, l1 + 0.001], metric="hf_ratio")
    write(tmp_path / "out", "cgan", [cgan, cgan + 0.001], metric="hf_ratio")
    (verdict,) = decided(tmp_path / "out", ledger(tmp_path, "closer", margin=0.1))
    assert verdict.state == state, verdict.reasons


def test_seeds_that_disagree_leave_it_undecided_and_one_seed_says_so(tmp_path: Path) -> None:
    write(tmp_path / "many", "l1", [0.45, 0.5, 0.55])
    write(tmp_path / "many", "cgan", [0.5, 0.55, 0.6])
    assert decided(tmp_path / "many", ledger(tmp_path, "above"))[0].state == "undecided"
    write(tmp_path / "one", "l1", [0.5])
    write(tmp_path / "one", "cgan", [0.55])
    (verdict,) = decided(tmp_path / "one", ledger(tmp_path, "above"))
    assert (verdict.state, verdict.caveat) == ("supported", ONE_SEED)


def test_one_refutation_among_many_comparisons_is_corrected_over_seeds(tmp_path: Path) -> None:
    """Below l1 with p = 0.03 over seeds: enough for a claim about l1, chance for one about four variants."""
    write(tmp_path / "out", "l1", [0.50, 0.52, 0.54])
    write(tmp_path / "out", "cgan", [0.446, 0.466, 0.486])
    for name in ("gan", "l1+gan", "l1+cgan"):
        write(tmp_path / "out", name, [0.446, 0.466, 0.486])
    (alone,) = decided(tmp_path / "out", ledger(tmp_path, "above"))
    (among,) = decided(tmp_path / "out", ledger(tmp_path, "above", b=["l1", "gan", "l1+gan", "l1+cgan"]))
    assert (alone.state, among.state) == ("contradicted", "undecided")
    evidence = among.findings[0].evidence
    assert evidence is not None
    assert evidence.by_seed is not None
    assert 0.05 / 4 < evidence.by_seed.p_value() < 0.05


def test_all_of_many_comparisons_may_be_tested_each_at_five_percent(tmp_path: Path) -> None:
    """Four times p = 0.03 over seeds support a claim that needs all four; any one of four does not."""
    write(tmp_path / "out", "cgan", [0.50, 0.52, 0.54])
    others = ["l1", "gan", "l1+gan", "l1+cgan"]
    for name in others:
        write(tmp_path / "out", name, [0.446, 0.466, 0.486])
    (every,) = decided(tmp_path / "out", ledger(tmp_path, "above", b=others))
    (some,) = decided(tmp_path / "out", ledger(tmp_path, "above", b=others, more='combine = "any"'))
    assert (every.state, some.state) == ("supported", "undecided")


def test_a_row_that_is_not_there_is_called_a_row(tmp_path: Path) -> None:
    write(tmp_path / "out", "cgan", [0.5, 0.51])
    (verdict,) = decided(tmp_path / "out", ledger(tmp_path, "above", b="random"))
    assert verdict.lacks == ("the row random",)


def test_numbers_stand_without_uncertainty(tmp_path: Path) -> None:
    write(tmp_path / "out", "cgan", [0.549, 0.55, 0.551])
    assert decided(tmp_path / "out", ledger(tmp_path, "above", b=0.5))[0].state == "supported"
    assert decided(tmp_path / "out", ledger(tmp_path, "above", b=0.6))[0].state == "contradicted"
    assert decided(tmp_path / "out", ledger(tmp_path, "above", b=0.549))[0].state == "undecided"


def test_chance_is_one_over_the_classes(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path / "out")
    path = ledger(tmp_path, "above", b="chance")
    path.write_text(path.read_text().replace('"ssim"', '"fcn_class_acc"'))
    evidence = decided(tmp_path / "out", path)[0].findings[0].evidence
    assert evidence is not None
    assert evidence.b == pytest.approx(1 / 7)  # 8 classes, one of them absent and left out


def test_all_must_hold_or_any(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for label, mean in {"l1": 0.5, "gan": 0.6, "cgan": 0.55}.items():
        write(out, label, [mean, mean + 0.001])
    assert decided(out, ledger(tmp_path, "above", b=["l1", "gan"]))[0].state == "contradicted"
    assert (
        decided(out, ledger(tmp_path, "above", b=["l1", "gan"], more='combine = "any"'))[0].state
        == "supported"
    )


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "cgan", [0.5])
    (verdict,) = decided(out, ledger(tmp_path, "above"))
    assert (verdict.state, verdict.lacks) == ("undecided", ("runs of l1",))
    (verdict,) = decided(out, ledger(tmp_path, "above", more='dataset = "cityscapes"'))
    assert verdict.lacks == ("runs of cgan, l1 on cityscapes",)
    write(out, "l1", [0.5], metric="psnr")
    (verdict,) = decided(out, ledger(tmp_path, "above"))
    assert "not among the metrics" in verdict.lacks[0]


def test_trainings_are_not_mixed_and_the_named_one_is_taken(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for batch, gain in ((1, 0.05), (10, -0.05)):
        write(out, "l1", [0.5, 0.501], batch=batch)
        write(out, "cgan", [0.5 + gain, 0.501 + gain], batch=batch)
    both = decided(out, ledger(tmp_path, "above"))
    assert sorted(verdict.state for verdict in both) == ["contradicted", "supported"]
    (ten,) = decided(out, ledger(tmp_path, "above", more="training = { batch_size = 10 }"))
    assert ten.state == "contradicted"
    assert "batch size 10" in ten.ground


def test_holm_counts_the_whole_ledger(tmp_path: Path) -> None:
    """One difference of p about 0.02 stands alone, and does not among ten."""
    write(tmp_path / "out", "l1", [0.5], noise=0.05)
    write(tmp_path / "out", "cgan", [0.517], noise=0.05)
    alone = decided(tmp_path / "out", ledger(tmp_path, "above"))[0]
    assert 0.005 < alone.findings[0].p_for < 0.05
    assert alone.state == "supported"
    made = sections(load_entries([tmp_path / "out"])[0])
    ten = [replace(alone.claim, id=f"copy-{number}") for number in range(10)]
    assert {verdict.state for verdict in verdicts_of(ten, made)} == {"undecided"}


# --- files and commands ----------------------------------------------------------------------------------


def test_the_papers_claims_can_be_read_and_decided_where_nothing_is_complete(tmp_path: Path) -> None:
    claims = load_ledger()
    assert len({claim.id for claim in claims}) == len(claims) >= 9
    synthetic.write_output(tmp_path)
    verdicts = verdicts_of(claims, sections(load_entries([tmp_path])[0]))
    assert {verdict.claim.id for verdict in verdicts} == {claim.id for claim in claims}
    assert all(verdict.lacks for verdict in verdicts if not verdict.findings)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "mine"', 'id = "mine"\nworth = 3', "unknown key 'worth'"),
        ('sentence = "Sentence."', "", "expected the key 'sentence'"),
        ('"ssim"', '"sism"', "did you mean 'ssim'"),
        ('"cgan"', '"cgann"', "unknown variant 'cgann'"),
        ('"above"', '"over"', "relation: expected above, below, at least"),
        ("margin = 0.0", "margin = -1", "expected a margin"),
        ('b = "l1"', 'b = "chance"', "for 'chance'"),
        ('"above"', '"closer"', "metric with a target"),
        ('id = "mine"', 'id = "l1-is-blurry"', "twice"),
        ("[[claims]]", "[[claim]]", "[[claims]]"),
        ("[[claims]]", "[[claims", "expected claims (TOML)"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = ledger(tmp_path, "above")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError) as error:
        load_ledger([path])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_claim_gates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    write(out, "l1", [0.5, 0.501])
    write(out, "cgan", [0.55, 0.551])

    def outcome(relation: str, *more: str) -> int:
        return invoke(["claims", str(out), "--claims", str(ledger(tmp_path, relation)), *more])

    assert outcome("below") == 0
    assert outcome("above", "--require", "mine") == 0
    assert outcome("below", "--require", "mine") == 1
    assert outcome("above", "--require", "mine,l1-is-blurry") == 3
    assert outcome("above", "--require", "mien") == 2
    capsys.readouterr()
    assert outcome("above", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    mine = next(one for one in found["claims"] if one["id"] == "mine")
    assert mine["verdict"] == "supported"
    assert mine["comparisons"][0]["evidence"]["seeds"] == [2, 2]


def test_sanity_passes_and_names_what_does_not(tmp_path: Path) -> None:
    def checks(out: Path) -> dict[str, bool | None]:
        return {check.name.split(" ")[0]: check.passed for check in sanity(sections(load_entries([out])[0]))}

    good = tmp_path / "good"
    write(good, "l1", [0.5, 0.501])
    found = checks(good)
    assert all(found[name] for name in ("no", "one", "intervals", "all", "2"))
    assert found["the"] is False  # no real row
    synthetic.write_output(tmp_path / "full")
    full = sections(load_entries([tmp_path / "full"])[0])
    real = next(check for check in sanity(full) if check.name == "the real row is sane")
    assert real.passed, real.words
    write(good, "cgan", [0.5], batch=2)
    synthetic.write_run(good, "gan", 0, status="diverged", error="the loss is not a number")
    found = checks(good)
    assert (found["all"], found["2"]) == (False, False)
    said = [check for check in sanity(sections(load_entries([good])[0])) if "diverged" in check.words]
    assert said
    assert not said[0].passed


def test_a_judge_that_cannot_tell_is_stated_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from bench.claims import sanity as module

    synthetic.write_output(tmp_path)
    section = sections(load_entries([tmp_path])[0])[0]
    for said, passed in (
        (["The judge can tell them"], True),
        (["The judge cannot tell them"], None),
        ([], None),
    ):
        monkeypatch.setattr(module, "fitness_statements", lambda _, said=said: said)
        check = sanity([section])[0]
        assert check.passed is passed
        assert ("the tables say" in check.words) == (said == ["The judge cannot tell them"])


def test_real_photos_that_score_below_a_variant_fail_unless_the_judge_is_known_to_be_blind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from bench.claims import sanity as module

    synthetic.write_output(tmp_path)
    section = sections(load_entries([tmp_path])[0])[0]
    real = next(row for row in section.references if row.label == "real")

    def spoil(metric: str, value: float) -> None:
        column = next(one for one in section.columns if one.info.key == metric)
        real.cells[column.id] = replace(real.cells[column.id], values=(value,))

    def found(said: str) -> bool | None:
        monkeypatch.setattr(module, "fitness_statements", lambda _: [said])
        return next(check.passed for check in sanity([section]) if check.name == "the real row is sane")

    spoil("fcn_pixel_acc", 0.0)
    assert found("The judge can tell them") is False
    assert found("The judge cannot tell them") is None
    spoil("fd_lite0", 1e6)
    assert found("The judge cannot tell them") is False


def test_the_report_shows_the_ledger_with_links_to_images(tmp_path: Path) -> None:
    from bench.report.render import write_report

    synthetic.write_output(tmp_path / "out")
    files = write_report([tmp_path / "out"], tmp_path / "report")
    html = files.html.read_text()
    section = html[html.index('id="claims"') : html.index('id="glossary"')]
    assert "L1 alone gives reasonable but blurry results." in section
    assert 'href="#s1-images"' in section
    assert 'id="s1-images"' in html
    text = (tmp_path / "report" / "report.md").read_text()
    for said in (section[section.index("could not be checked here") :], text):
        wants = [part.split(":")[0] for part in said.split("Needs ")[1:]]
        assert wants.count("runs on cityscapes labels2photo") == 1  # several claims, one reason
        assert "runs on cityscapes photo2labels" in wants
        on_cityscapes = said.split("Needs runs on cityscapes labels2photo:")[1].split("Needs ")[0]
        assert "The 1x1 PixelGAN has no effect on sharpness" in on_cityscapes
        assert "pixelgan-not-sharper" in on_cityscapes
        assert "gan-ignores-input" in said
    assert "- **supported**: " in text or "- **undecided**: " in text
    assert "## The paper's claims" in text


def test_the_report_judges_claims_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    write(out, "l1", [0.5, 0.501])
    write(out, "cgan", [0.55, 0.551])
    mine = ledger(tmp_path, "below")
    assert invoke(["report", str(out), "--claims", str(mine), "--format", "html,md"]) == 0
    (sentence,) = (claim.sentence for claim in load_ledger([mine]) if claim.id == "mine")
    html = (out / "report/index.html").read_text()
    section = html[html.index('id="claims"') : html.index('id="glossary"')]
    row = section[section.index(sentence) :]
    assert "<b>contradicted</b>" in row[: row.index("</tr>")]
    assert "claims, and others</h2>" in section
    assert f"- **contradicted**: {sentence}" in (out / "report/report.md").read_text()
    mine.write_text("claims = 3\n")
    capsys.readouterr()
    assert invoke(["report", str(out), "--claims", str(mine), "--to", str(tmp_path / "other")]) == 2
    assert "[[claims]]" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_outputs_side_by_side_are_taken_each_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, cgan in (("short", 0.45), ("long", 0.55), ("even", 0.5)):
        write(tmp_path / name, "l1", [0.499, 0.5, 0.501])
        write(tmp_path / name, "cgan", [cgan - 0.001, cgan, cgan + 0.001])
    path = ledger(tmp_path, "above", margin=0.01)
    outputs = [str(tmp_path / name) for name in ("short", "long", "even")]
    assert invoke(["claims", *outputs, "--claims", str(path), "--markdown", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| claim | short | long | even |"
    assert (
        "| Sentence. (here) | **contradicted** by SSIM (cgan 0.450 against l1 0.500) | **supported** "
        "| undecided: 0 of 1 comparisons hold |"
    ) in lines
    (tmp_path / "other").mkdir()
    (tmp_path / "short").rename(tmp_path / "other" / "long")  # two of one name are two columns
    alike = [str(tmp_path / "other" / "long"), str(tmp_path / "long")]
    assert invoke(["claims", *alike, "--claims", str(path), "--markdown", "-"]) == 0
    assert capsys.readouterr().out.startswith(f"| claim | {alike[0]} | {alike[1]} |\n")
    blurry = next(line for line in lines if "blurry results" in line)
    assert blurry.endswith("| – | – | – |")  # no comparison could be made

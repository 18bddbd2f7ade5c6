"""LaTeX, Parquet, chosen formats and swept fields: what is written, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import click.testing
import pandas as pd
import pytest
import synthetic

from bench.analysis.entry import load_entries
from bench.analysis.sections import sections
from bench.analysis.sweep_lines import sweeps
from bench.cli.report import report
from bench.core.errors import UsageError
from bench.report.formats import FORMATS, Wanted
from bench.report.latex import latex_text
from bench.report.render import write_report

HOSTILE = r"\input{/etc} $x_1$ 100% #1 & ~^ <b>"


def bare(out: Path, label: str, seed: int = 0, **fields: object) -> None:
    synthetic.write_run(out, label, seed, gallery=None, history=[], details={}, **fields)


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("a_b & 50% of $x", r"a\_b \& 50\% of \$x"),
        ("\\{}", r"\textbackslash{}\{\}"),
        ("#~^", r"\#\textasciitilde{}\textasciicircum{}"),
        ("<b>|", r"\textless{}b\textgreater{}\textbar{}"),
        ("[x]*", "{[}x{]}{*}"),
        ("--set", "-{}-set"),
        ("---", "-{}-{}-"),
        ("l1+cgan ↑ ± → –", r"l1+cgan $\uparrow$ $\pm$ $\rightarrow$ --"),
        ("two\nlines\x07", "two lines "),
        ("``''", r"\textasciigrave{}\textasciigrave{}\textquotesingle{}\textquotesingle{}"),
        ("Fréchet", "Fréchet"),
        (0.5, "0.5"),
    ],
)
def test_latex_text(given: object, printed: str) -> None:
    assert latex_text(given) == printed


def test_latex_tables_hold_the_numbers_and_no_command_of_a_name(tmp_path: Path) -> None:
    for label in ("l1", HOSTILE):
        for seed in (0, 1):
            bare(tmp_path, label, seed, id=f"{label[:2].strip(chr(92))}{seed}")
    synthetic.write_reference(tmp_path, "real")
    files = write_report([tmp_path], tmp_path / "report", Wanted(("latex",)))
    folder = tmp_path / "report/latex"
    assert files.written[0] == folder / "report.tex"
    assert {path.parent for path in files.written} == {folder}
    table = (folder / "s1-comparison.tex").read_text(encoding="utf-8")
    whole = (folder / "report.tex").read_text(encoding="utf-8")
    assert r"\textbackslash{}input\{/etc\} \$x\_1\$ 100\%" in table
    assert re.findall(r"\\input\{[^}]*\}", table) == []
    assert re.findall(r"\\input\{[^}]*\}", whole) == [r"\input{s1-comparison.tex}"]
    for name in re.findall(r"\\includegraphics\[[^]]*\]\{([^}]*)\}", whole):
        assert (folder / name).read_bytes().startswith(b"%PDF")
    for kind in ("table", "tabular"):
        assert table.count(rf"\begin{{{kind}}}") == table.count(rf"\end{{{kind}}}") == 3  # 11 metrics
    assert table.count(r"\toprule") == table.count(r"\bottomrule") == 3
    for tabular in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", table, flags=re.DOTALL):
        rows = [line for line in tabular[1].splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 4
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(tabular[0])}
        assert "\n\n" not in tabular[1]
    section = sections(load_entries([tmp_path])[0])[0]
    cell = section.rows[0].cells["ssim"]
    assert f"{cell.mean:.3f} {{\\scriptsize $\\pm$ {cell.std:.3f}}}" in table
    assert f"{{\\tiny {{[}}{cell.interval[0]:.3f}, {cell.interval[1]:.3f}{{]}}}}" in table
    assert "N = $ 40 test images. Values are means over 2 seeds" in table
    assert r"$\uparrow$" in table
    assert "compares the images with themselves" in table


def test_latex_bold_only_where_distinguishable(tmp_path: Path) -> None:
    for label in ("l1", "cgan", "l1+cgan"):
        for seed in (0, 1):
            bare(tmp_path, label, seed)
    write_report([tmp_path], tmp_path / "report", Wanted(("latex", "md")))
    table = (tmp_path / "report/latex/s1-comparison.tex").read_text(encoding="utf-8")
    markdown = (tmp_path / "report/report.md").read_text(encoding="utf-8")
    whole = markdown[markdown.index("#### All metrics") :].splitlines()  # the short table repeats some
    lines = [line for line in whole if line.startswith("| l1+cgan | 2 |")]
    assert table.count(r"\textbf{") == sum(
        len(re.findall(r"\*\*[\d.]+\*\*", line)) for line in whole if line.startswith("|")
    )
    assert "**" in lines[0]
    assert "index.html" not in markdown


def test_each_format_writes_its_own_files(tmp_path: Path) -> None:
    bare(tmp_path, "l1")
    wanted = {
        "html": {"index.html"},
        "md": {"report.md", "figures/s1-metrics.png", "figures/s1-tradeoff.png"},
        "csv": {"results.csv", "differences.csv"},
        "parquet": {"results.parquet"},
    }
    for name, names in wanted.items():
        to = tmp_path / name
        write_report([tmp_path], to, Wanted((name,)))
        assert {p.relative_to(to).as_posix() for p in to.rglob("*") if p.is_file()} == names
    assert set(wanted) | {"latex"} == set(FORMATS)


def test_parquet_is_the_csv_with_types(tmp_path: Path) -> None:
    bare(tmp_path, "l1")
    synthetic.write_reference(tmp_path, "real")
    files = write_report([tmp_path], tmp_path / "report", Wanted(("csv", "parquet")))
    typed = pd.read_parquet(tmp_path / "report/results.parquet")
    plain = pd.read_csv(files.csv, dtype={"protocol": str, "goal": str})
    assert list(typed.columns) == list(plain.columns)
    assert typed["value"].to_numpy() == pytest.approx(plain["value"].to_numpy(), nan_ok=True)
    assert typed["goal"].dropna().tolist() == plain["goal"].dropna().tolist()
    kinds = {name: str(kind) for name, kind in typed.dtypes.items()}
    assert (kinds["seed"], kinds["value"], kinds["metric"], kinds["n"]) == (
        "Int64", "float64", "category", "Int64",
    )  # fmt: skip


def test_a_swept_field_is_on_the_page_and_in_markdown(tmp_path: Path) -> None:
    for steps in (100, 200, 4000):
        bare(tmp_path, "l1", steps=steps)
    to = tmp_path / "report"
    write_report([tmp_path], to, Wanted(ablate=("steps",), metrics=("ssim", "mae")))
    page = (to / "index.html").read_text(encoding="utf-8")
    assert "<b>Swept: steps.</b>" in page
    assert "Line charts of SSIM, MAE against steps. SSIM: l1 100: 0." in page
    assert "](figures/s1-sweep-steps.png)" in (to / "report.md").read_text(encoding="utf-8")
    write_report([tmp_path], to)
    assert not (to / "figures/s1-sweep-steps.png").exists()  # the new report does not have it


@pytest.mark.parametrize(
    ("fields", "metrics", "said"),
    [
        (["lr"], [], r"expected lr to vary between the runs, found 0.0002 in all: what varies here: steps"),
        (["stepz"], [], r"unknown field 'stepz'.*steps"),
        (["steps"], ["ssmi"], r"unknown metric 'ssmi'.*ssim"),
        (["steps"], ["fid"], r"expected --metrics among those measured .* found fid"),
    ],
)
def test_a_field_that_cannot_be_drawn_is_refused(
    tmp_path: Path, fields: list[str], metrics: list[str], said: str
) -> None:
    for steps in (100, 200):
        bare(tmp_path, "l1", steps=steps)
    with pytest.raises(UsageError, match=said):
        write_report([tmp_path], tmp_path / "report", Wanted(ablate=tuple(fields), metrics=tuple(metrics)))
    assert not (tmp_path / "report").exists()


def test_sizes_do_not_compare_however_they_vary(tmp_path: Path) -> None:
    bare(tmp_path, "l1", id="a")
    bare(tmp_path, "l1", id="b", size_px=128)
    with pytest.raises(UsageError, match=r"found 64, 128, but no two runs .* no field varies here"):
        sweeps(sections(load_entries([tmp_path])[0]), ["size_px"], [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "html,pdf"], "unknown format 'pdf'"),
        (["--format", ","], "expected --format with one format or more"),
        (["--metrics", "ssim"], "expected --ablate FIELD with --metrics"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: list[str], said: str) -> None:
    bare(tmp_path, "l1")
    found = click.testing.CliRunner().invoke(report, [str(tmp_path), *options])
    assert isinstance(found.exception, UsageError)
    assert said in str(found.exception)
    assert not (tmp_path / "report").exists()

"""`bench claims`: check the ledger of claims against records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import names, table_console
from bench.core.errors import unknown_name

if TYPE_CHECKING:
    from bench.claims.ledger import Claim
    from bench.claims.sanity import Check
    from bench.claims.verdicts import Verdict

_REGRESSION, _NOT_COMPARABLE = 1, 3


@click.command()
@click.argument("outputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="OUT...")
@click.option(
    "--claims",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own claims, added to the paper's (repeatable); format: docs/claims.md.",
)
@click.option(
    "--json", "json_file", metavar="FILE", help="Verdicts and checks as JSON; '-' for the terminal."
)
@click.option(
    "--markdown",
    "table_file",
    metavar="FILE",
    help="A table with one column for each output; '-' for the terminal.",
)
@click.option(
    "--require", metavar="IDS", help="Exit code 1 if one of these is contradicted, 3 if one is undecided."
)
@click.option(
    "--sanity",
    "checked",
    is_flag=True,
    help="Also check what must hold before publication; 1 if it does not.",
)
def claims(
    outputs: tuple[Path, ...],
    files: tuple[Path, ...],
    json_file: str | None,
    table_file: str | None,
    require: str | None,
    checked: bool,
) -> int:
    """Check each claim of the ledger against the records of one output or several: supported, contradicted
    or undecided, and what is missing.

    \b
    bench claims OUT
    bench claims OUT --claims mine.toml --require my-claim      (a gate for a CI job)
    bench claims SHORT LONG --markdown -                        (which claims hold where)
    """
    from bench.analysis.entry import load_entries
    from bench.analysis.sections import sections
    from bench.claims.by_panel import verdicts_by_panel
    from bench.claims.ledger import load_ledger
    from bench.claims.outputs import to_json
    from bench.claims.sanity import sanity
    from bench.records.reproduction import read_reproduction

    entries, notes = load_entries(outputs)
    made = sections(entries)
    ledger = load_ledger(files, {row.variant for section in made for row in section.all_rows})
    required = names(require)
    for name in required:
        if name not in {claim.id for claim in ledger}:
            raise unknown_name("claim", name, [claim.id for claim in ledger], "bench claims OUT")
    made_again = [found for out in outputs if (found := read_reproduction(out)) is not None]
    verdicts, checks = verdicts_by_panel(ledger, made), sanity(made, made_again) if checked else []
    if json_file is not None:
        _write(json_file, to_json(verdicts, checks))
    if table_file is not None:
        _write(table_file, _side_by_side(outputs, ledger))
    if "-" not in (json_file, table_file):
        _show(verdicts, checks, notes)
    return _exit_code([one for one in verdicts if one.claim.id in required], checks)


def _side_by_side(outputs: tuple[Path, ...], ledger: list[Claim]) -> str:
    """One table for all outputs; columns are named after folders, or after paths if folders share a name."""
    from bench.analysis.entry import load_entries
    from bench.analysis.sections import sections
    from bench.claims.by_panel import verdicts_by_panel
    from bench.claims.outputs import to_markdown

    short = [out.resolve().name for out in outputs]
    alone = {
        str(out) if short.count(name) > 1 else name: verdicts_by_panel(
            ledger, sections(load_entries([out])[0])
        )
        for out, name in zip(outputs, short, strict=True)
    }
    return to_markdown(ledger, alone)


def _write(where: str, text: str) -> None:
    """Write `text` to a file, or to the terminal for "-"."""
    from bench.core.files import write_text

    if where == "-":
        click.echo(text, nl=False)
    else:
        write_text(Path(where), text)


def _exit_code(required: list[Verdict], checks: list[Check]) -> int:
    states = {one.state for one in required}
    if "contradicted" in states or any(check.passed is False for check in checks):
        return _REGRESSION
    return _NOT_COMPARABLE if "undecided" in states else 0


def _show(verdicts: list[Verdict], checks: list[Check], notes: list[str]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console = table_console()
    style = {"supported": "green", "contradicted": "red", "undecided": ""}
    for verdict in verdicts:
        console.print(Text.assemble((verdict.state, style[verdict.state]), f"  {verdict.claim.id}"))
        about = [f"{verdict.claim.sentence} ({verdict.claim.place})"]
        about += [verdict.ground] if verdict.ground else []
        for line in (*about, *(f"- {one}" for one in verdict.reasons)):
            console.print(Padding(Text(line), (0, 0, 0, 2)))
    counts = {state: sum(one.state == state for one in verdicts) for state in style}
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()))
    for check in checks:
        mark = {True: "pass", False: "FAIL", None: "–"}[check.passed]
        console.print(f"{mark}  {check.section}: {check.name}: {check.words}", markup=False, soft_wrap=True)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)

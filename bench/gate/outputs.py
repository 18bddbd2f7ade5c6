"""What `bench check` says: a table for the terminal, JSON, JUnit XML, Markdown for a job summary."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from bench.core.errors import UsageError
from bench.core.files import write_text
from bench.gate.images import Pair, WorstImages
from bench.gate.outcome import UNDECIDED, Outcome, Verdict

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {"regressed": "red", "improved": "green", **dict.fromkeys(UNDECIDED, "yellow")}
_SIGNS = {"regressed": "❌", "improved": "🎉", "new": "🆕", "pass": "✅", **dict.fromkeys(UNDECIDED, "⚠️")}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def verdict_table(outcome: Outcome) -> Table:
    """The verdicts as a table, in their order; what all rows begin with stands in its title."""
    from rich.table import Table
    from rich.text import Text

    verdicts = outcome.verdicts
    shared = shared_beginning([verdict.row for verdict in verdicts])
    title = Text(f"{shared.rstrip('/') or 'records'} against the baseline: {outcome.summary}")
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("state", no_wrap=True)
    for name in ("row", "metric"):
        table.add_column(name, overflow="fold", min_width=9)
    for name in ("baseline", "measured", "delta", "allowed", "noise"):
        table.add_column(name, justify="right", no_wrap=True)
    notes = list(dict.fromkeys(verdict.note for verdict in verdicts if verdict.note))
    if notes:
        table.add_column("note", no_wrap=True)
    for verdict in verdicts:
        cells = [verdict.state, verdict.row.removeprefix(shared), verdict.metric, *_numbers(verdict)]
        cells += [f"[{notes.index(verdict.note) + 1}]" if verdict.note else ""] if notes else []
        # A row's name may hold brackets: no markup.
        table.add_row(*(Text(cell) for cell in cells), style=_COLOURS.get(verdict.state))
    if below := _below(notes, outcome):
        table.caption, table.caption_justify = Text("\n".join(below)), "left"
    return table


def _below(notes: Sequence[str], outcome: Outcome) -> list[str]:
    said = [f"[{number}] {note}" for number, note in enumerate(notes, start=1)]
    said += [f"{note[0].upper()}{note[1:]}." for note in outcome.notes]
    if outcome.tests:
        said.append(
            f"A change counts if it exceeds what is allowed and the noise: p of {outcome.alpha:g} or less, "
            f"corrected (Holm) over {outcome.tests} test{'s' * (outcome.tests != 1)}."
        )
    return said


def shared_beginning(rows: Sequence[str]) -> str:
    """What all rows begin with, such as "toycity/labels2photo/64px/"; "" where they differ in that."""
    beginnings = {"/".join(row.split("/")[:3]) + "/" for row in rows}
    return beginnings.pop() if len(beginnings) == 1 and "(all)/" not in beginnings else ""


def _numbers(verdict: Verdict) -> list[str]:
    """Baseline, measured, delta, allowed, noise."""
    return [
        _shown(verdict.baseline), _shown(verdict.measured), _shown(verdict.delta, sign=True),
        _shown(verdict.tolerance), _shown(verdict.noise, digits=2),
    ]  # fmt: skip


def _shown(value: float | None, *, sign: bool = False, digits: int = 4) -> str:
    return "–" if value is None else f"{value:+.{digits}g}" if sign else f"{value:.{digits}g}"


def to_json(outcome: Outcome, worst: WorstImages) -> str:
    """The outcome, with the worst images, as JSON with its own schema version."""
    content = {**outcome.to_json(), **worst.to_json()}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def to_junit(outcome: Outcome) -> str:
    """JUnit XML: a test case a verdict; a regression is a failure, what is undecided an error."""
    suite = ElementTree.Element("testsuite", name="bench check", tests=str(len(outcome.verdicts)))
    counts = Counter[str]()
    for verdict in outcome.verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_xml(verdict.row), name=_xml(verdict.metric), time="0"
        )
        said, allowed = _xml(sentence(verdict)), verdict.state in outcome.allowed
        tag = "failure" if verdict.state == "regressed" else "error" if verdict.state in UNDECIDED else ""
        counts["skipped" if allowed else tag] += 1
        if allowed:
            ElementTree.SubElement(case, "skipped", message=f"{verdict.state}, allowed: {said}")
        elif tag:
            ElementTree.SubElement(case, tag, message=said, type=verdict.state).text = said
        else:
            ElementTree.SubElement(case, "system-out").text = said
    failures, errors, skipped = (str(counts[tag]) for tag in ("failure", "error", "skipped"))
    suite.attrib.update(failures=failures, errors=errors, skipped=skipped, time="0")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root, " ")
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _xml(text: str) -> str:
    """`text` without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def sentence(verdict: Verdict) -> str:
    """A verdict in one line of words."""
    head = f"{verdict.metric} of {verdict.row}: {verdict.state}"
    parts = []
    if verdict.delta is not None:
        parts.append(f"{_shown(verdict.baseline)} -> {_shown(verdict.measured)}")
        parts.append(f"a change of {_shown(verdict.delta, sign=True)}, {_shown(verdict.tolerance)} allowed")
    if verdict.p_value is not None:
        parts.append(f"p = {verdict.p_value:.2g} by {verdict.basis}")
    parts += [verdict.note] if verdict.note else []
    return f"{head} ({'; '.join(parts)})" if parts else head


def to_markdown(outcome: Outcome, worst: WorstImages, folder: Path | None = None) -> str:
    """The outcome for a job summary or a comment: what matters first, everything else folded.

    Args:
        folder: where the text will be, for links to images; None: their paths are named instead.
    """
    verdict = {0: "passed", 1: "failed: a metric regressed", 3: "undecided"}[outcome.exit_code]
    lines = [f"## Gate {verdict}", "", f"{outcome.summary}.", ""]
    lines += [f"{_cell(note[0].upper() + note[1:])}.\n" for note in outcome.notes]
    telling = [one for one in outcome.verdicts if one.state not in ("pass", "new")]
    rest = [one for one in outcome.verdicts if one.state in ("pass", "new")]
    if telling:
        lines += [*_markdown_table(telling), ""]
    if worst.pairs:
        shown = _markdown_images(worst.pairs, folder)
        lines += ["### Worst images of what regressed", "", *shown, "", worst.note, ""]
    if rest:
        folded = f"<details><summary>{len(rest)} more</summary>"
        lines += [folded, "", *_markdown_table(rest), "", "</details>", ""]
    lines.append(
        f"A change counts if it exceeds what is allowed and the noise; {outcome.tests} tests, corrected "
        f"(Holm) for a false alarm in at most {outcome.alpha:.3g} of invocations."
    )
    return "\n".join(lines) + "\n"


def _markdown_table(verdicts: Sequence[Verdict]) -> list[str]:
    lines = [
        "| | row | metric | baseline | measured | delta | allowed | noise | |",
        "|---|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for one in verdicts:
        cells = [f"{_SIGNS[one.state]} {one.state}", one.row, one.metric, *_numbers(one), one.note]
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return lines


def _cell(text: str) -> str:
    """Text that is no Markdown and no HTML."""
    plain = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", plain)


def _markdown_images(pairs: Sequence[Pair], folder: Path | None) -> list[str]:
    lines = ["| row | metric | image | worse by | baseline | now |", "|---|---|---|--:|---|---|"]
    for pair in pairs:
        cells = [_cell(pair.row), _cell(pair.metric), _cell(pair.name), _shown(pair.worse)]
        cells += [_image(path, folder) for path in (pair.baseline, pair.measured)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _image(path: Path, folder: Path | None) -> str:
    if folder is None:
        return f"`{path.as_posix()}`"
    from urllib.parse import quote

    link = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    return f"![{_cell(path.stem)}]({quote(link)})"


def write_outputs(
    outcome: Outcome,
    worst: WorstImages,
    *,
    json_file: Path | None = None,
    junit: Path | None = None,
    markdown: Path | None = None,
) -> None:
    """Write what was asked for, each file whole; Markdown also to $GITHUB_STEP_SUMMARY, where that is set.

    Raises:
        UsageError: if one of them cannot be written.
    """
    texts = (
        (json_file, to_json(outcome, worst)),
        (junit, to_junit(outcome)),
        (markdown, to_markdown(outcome, worst, markdown and markdown.parent)),
    )
    for path, text in texts:
        try:
            if path is not None:
                write_text(path, text)
        except OSError as error:
            said = f"expected to write {path}: {error.strerror or error}; name another file"
            raise UsageError(said) from error
    summary = os.environ.get(_STEP_SUMMARY)
    if markdown is not None and summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as handle:
                handle.write(to_markdown(outcome, worst))
        except OSError as error:
            raise UsageError(f"expected to append to ${_STEP_SUMMARY}: {error}; unset it") from error

"""Published studies of anyone on one page: rows of one protocol together, never mixed across protocols.

index.html   the page; each row links to the report of its study
board.md     the same tables
board.csv    one row a value
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.column import Column
from bench.analysis.comparable import differing_fields, is_ignored, must_agree, test_sets
from bench.analysis.entry import load_entries
from bench.analysis.rows import Row, as_text
from bench.analysis.sections import Section, sections
from bench.core.errors import UsageError
from bench.core.files import move_file
from bench.records.seal import check_seal
from bench.report.escape import html_environment, markdown_environment

Agreed = dict[str, Any]
_SHOWN = 6
"""Differing fields of a protocol that a table's note lists."""


@dataclass(frozen=True)
class Study:
    """A published folder.

    Attributes:
        name: of its folder; unique on a board.
        link: to its report, relative to the board or a URL.
    """

    name: str
    link: str
    sections: tuple[Section, ...]


@dataclass
class Block:
    """Studies that agree in the protocol of every metric they share, on one test set: one table.

    Attributes:
        protocols: metric -> what its values agree in.
        columns: metric -> its column.
        lines: (study, row, metric -> id of its column in the study's section).
    """

    protocols: dict[str, Agreed] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    lines: list[tuple[Study, Row, dict[str, str]]] = field(default_factory=list)


def read_study(folder: Path, base_url: str | None, board: Path) -> Study:
    """A published folder, its records checked against its seal.

    Args:
        base_url: where the folders are published; None: links are relative to `board`.

    Raises:
        UsageError: if there are no records, or they are not as they were published.
    """
    check_seal(folder)
    entries, _ = load_entries([folder])
    name = folder.resolve().name
    report = folder / "report.md"
    link = f"{base_url.rstrip('/')}/{name}/report.md" if base_url else os.path.relpath(report, board)
    return Study(name, Path(link).as_posix() if base_url is None else link, tuple(sections(entries)))


def write_board(
    folders: Sequence[Path], destination: Path, *, base_url: str | None = None, ignore: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Write the board of some published folders; each file replaces its predecessor whole.

    Args:
        ignore: protocol fields that may differ, such as "judge_hash"; the page says so.

    Returns:
        What was written, the page first.

    Raises:
        UsageError: if two folders have one name, or one is no published study or was changed.
    """
    names = [folder.resolve().name for folder in folders]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"expected folders of different names, found {doubled} twice: rename one")
    studies = [read_study(folder, base_url, destination) for folder in folders]
    tables = [
        (title, [_table(block, ignore, before) for block, before in _with_first(blocks)])
        for title, blocks in boards(studies, ignore).items()
    ]
    context: dict[str, Any] = {
        "title": f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}",
        "studies": studies, "tables": tables, "ignore": tuple(ignore),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }  # fmt: skip
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-board-", dir=destination.parent) as name:
        made = Path(name)
        _frame(tables).to_csv(made / "board.csv", index=False)
        for file, environment in (("board.md", markdown_environment()), ("index.html", html_environment())):
            text = environment.get_template(f"board.{file.rpartition('.')[2]}.j2").render(context)
            (made / file).write_text(text, encoding="utf-8")
        destination.mkdir(exist_ok=True)
        for file in ("board.csv", "board.md", "index.html"):
            move_file(made / file, destination / file)
    return destination / "index.html", destination / "board.md", destination / "board.csv"


def boards(studies: Sequence[Study], ignore: Sequence[str] = ()) -> dict[str, list[Block]]:
    """Title of a test set -> its blocks; a study joins the first block that it agrees with."""
    found: dict[tuple[Any, ...], tuple[str, list[Block]]] = {}
    of = test_sets(e.record for study in studies for section in study.sections for e in section.entries)
    for study in studies:
        for section in study.sections:
            images = of(section.entries[0].record)["data.test_fingerprint"]
            key = section.title.removesuffix(section.mark), section.test_n, images
            title, blocks = found.setdefault(key, (_title(section), []))
            for variant in _by_protocol(section, ignore):
                block = next((one for one in blocks if _agree(one, variant, ignore)), None)
                if block is None:
                    block = Block()
                    blocks.append(block)
                _join(block, study, section, variant)
    titles = Counter(title for title, _ in found.values())
    number = Counter[str]()
    told: dict[str, list[Block]] = {}
    for title, blocks in found.values():
        number[title] += 1
        told[f"{title}, test set {number[title]}" if titles[title] > 1 else title] = blocks
    return told


def _title(section: Section) -> str:
    count = "" if section.test_n is None else f", {section.test_n} test images"
    return section.title.removesuffix(section.mark) + count


_Variant = dict[str, tuple[Column, Agreed]]


def _by_protocol(section: Section, ignore: Sequence[str]) -> list[_Variant]:
    """The section's columns, one protocol a metric: a second one of a metric goes into a table of its own."""
    variants: list[_Variant] = []
    for column in section.columns:
        agreed = _agreed(section, column)
        place = next((one for one in variants if column.info.key not in one), None)
        if place is None:
            place = {}
            variants.append(place)
        place[column.info.key] = (column, agreed)
    return variants


def _agreed(section: Section, column: Column) -> Agreed:
    n = next(cell.n[0] for row in section.all_rows if (cell := row.cells[column.id]).values)
    return must_agree(column.info.key, column.goal, n, column.protocol)


def _agree(block: Block, variant: _Variant, ignore: Sequence[str]) -> bool:
    return not any(
        _differing(block.protocols[metric], agreed, ignore)
        for metric, (_, agreed) in variant.items()
        if metric in block.protocols
    )


def _differing(one: Agreed, other: Agreed, ignore: Sequence[str]) -> list[str]:
    if as_text(one) == as_text(other):
        return []
    return [name for name in differing_fields([one, other]) if not is_ignored(name, ignore)]


def _join(block: Block, study: Study, section: Section, variant: _Variant) -> None:
    for metric, (column, agreed) in variant.items():
        block.protocols.setdefault(metric, agreed)
        block.columns.setdefault(metric, replace(column, mark=""))
    ids = {metric: column.id for metric, (column, _) in variant.items()}
    rows = [row for row in section.all_rows if any(row.cells[name].values for name in ids.values())]
    block.lines += [(study, row, ids) for row in rows]


@dataclass(frozen=True)
class Table:
    """A block as the page shows it.

    Attributes:
        note: in which fields it differs from the first table of its test set; "" for that one.
        heads: of the columns, with the arrow of better.
        lines: (label, study, budget, seeds, texts of the cells, values), trained rows by the first column.
        metrics: keys of the columns.
    """

    note: str
    heads: tuple[str, ...]
    metrics: tuple[str, ...]
    lines: tuple[tuple[str, Study, str, int, tuple[str, ...], tuple[float | None, ...]], ...]


def _with_first(blocks: Sequence[Block]) -> list[tuple[Block, Block | None]]:
    return [(block, blocks[0] if place else None) for place, block in enumerate(blocks)]


def _table(block: Block, ignore: Sequence[str], first: Block | None) -> Table:
    metrics = [metric for metric in block.columns if block.columns[metric].info.ranks]
    lines = []
    for study, row, ids in _ordered(block, metrics):
        cells = [row.cells[ids[metric]] if metric in ids else None for metric in metrics]
        texts = tuple(
            "–" if cell is None or cell.mean is None else _text(block.columns[metric], cell.mean, cell.std)
            for metric, cell in zip(metrics, cells, strict=True)
        )
        values = tuple(None if cell is None else cell.mean for cell in cells)
        lines.append((row.label, study, budget(row), len(row.seeds), texts, values))
    heads = tuple(f"{block.columns[metric].head} {block.columns[metric].arrow}".strip() for metric in metrics)
    return Table(_note(block, first, ignore), heads, tuple(metrics), tuple(lines))


def _ordered(block: Block, metrics: Sequence[str]) -> list[tuple[Study, Row, dict[str, str]]]:
    """Trained rows by the first metric that all of them have, best first; reference rows last."""
    trained = [line for line in block.lines if line[1].kind == "run"]
    others = [line for line in block.lines if line[1].kind != "run"]
    for metric in metrics:
        if all(metric in ids and row.cells[ids[metric]].values for _, row, ids in trained):
            column = block.columns[metric]
            trained.sort(key=lambda line: column.merit(line[1].cells[line[2][metric]].value), reverse=True)
            break
    return trained + others


def _text(column: Column, mean: float, std: float | None) -> str:
    return column.text(mean) if std is None else f"{column.text(mean)} ± {column.text(std)}"


def budget(row: Row) -> str:
    """ "23,800 steps, batch 1, 16 filters"; "" where nothing was trained."""
    training = row.first.spec.get("training", {})
    words = [
        (training.get("steps"), "{:,} steps"), (training.get("batch_size"), "batch {}"),
        (training.get("base_filters"), "{} filters"),
    ]  # fmt: skip
    return ", ".join(form.format(value) for value, form in words if value is not None)


def _note(block: Block, first: Block | None, ignore: Sequence[str]) -> str:
    if first is None:
        return ""
    said = []
    for metric in block.protocols.keys() & first.protocols.keys():
        fields = differing_fields([first.protocols[metric], block.protocols[metric]])
        said += [
            f"{metric}: {name} {values[0]} above, {values[1]} here"
            for name, values in fields.items()
            if not is_ignored(name, ignore)
        ]
    more = f"; and {len(said) - _SHOWN} fields more" if len(said) > _SHOWN else ""
    return f"Scored by another protocol than the first table. {'; '.join(sorted(said)[:_SHOWN])}{more}."


def _frame(tables: Sequence[tuple[str, Sequence[Table]]]) -> pd.DataFrame:
    rows: list[Mapping[str, Any]] = [
        {
            "test_set": title, "table": number, "study": study.name, "row": label, "budget": trained,
            "seeds": seeds, "metric": metric, "value": value,
        }
        for title, listed in tables
        for number, table in enumerate(listed, 1)
        for label, study, trained, seeds, _, values in table.lines
        for metric, value in zip(table.metrics, values, strict=True)
        if value is not None
    ]  # fmt: skip
    return pd.DataFrame(rows)

"""The documents: links and anchors resolve, commands exist, the map shows the folders that there are."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from bench.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "datasets" / "README.md"])
FENCE = re.compile(r"^( *)```.*?^\1```", re.M | re.S)
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the code host and mkdocs make them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head).lower()) for head in heads)
    return {head.strip().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        place, _, anchor = unquote(link).partition("#")
        target = Path(os.path.normpath(page.parent / place)) if place else page
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def typed(page: Path) -> list[str]:
    """The `bench` commands of a page: those of code blocks and those in the text that have options."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(match[0] for match in FENCE.finditer(text)).replace("\\\n", " ")
    lines = [re.split(r" {2,}#| # ", line.strip())[0] for line in blocks.splitlines()]
    inline = re.findall(r"`(?:[^`\n]|\n(?!\n))*`", FENCE.sub("", text))
    lines += [" ".join(code.strip("`").split()) for code in inline]
    return [
        re.sub(r".*-m bench |^bench ", "", line) for line in lines if re.match(r"bench |.*-m bench ", line)
    ]


def options_of(words: list[str]) -> set[str]:
    """The options of the command that `words` begin with, those of `bench` included.

    Raises:
        KeyError: for a name that is no command; one of `a|b|c` is enough, and capitals stand for any command.
    """
    command: click.Command = cli
    options = {"--help", *(name for option in cli.params for name in option.opts)}
    for before, word in pairwise(["", *words]):
        if word.startswith("-") or not word.islower() or before == "--plugin":
            continue
        if not isinstance(command, click.Group):
            break
        command = command.commands[word.split("|")[0]]
        options |= {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return options


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    unknown = []
    for line in typed(page):
        words = shlex.split(re.sub(r"[][()]", " ", line))
        wanted = {word.partition("=")[0] for word in words if word.startswith("--")}
        if wanted - options_of(words):
            unknown.append(line)
    assert not unknown


def test_commands_are_found_where_they_are() -> None:
    assert len(typed(ROOT / "README.md")) == 6
    assert len(typed(ROOT / "docs" / "usage.md")) > 30


def test_map_shows_the_folders_that_there_are() -> None:
    folders = {path.name for path in (ROOT / "bench").iterdir() if (path / "__init__.py").is_file()}
    listed = re.findall(r"^\| `(\w+)/` \|", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.M)
    drawn = (ROOT / "docs" / "architecture.mmd").read_text(encoding="utf-8")
    assert folders == set(listed)
    assert all(f'"{name}/<br/>' in drawn for name in folders)


def test_diagram_was_drawn_from_its_source() -> None:
    """Draw it again with Mermaid after a change, and put the hash of the source into its first line."""
    source = (ROOT / "docs" / "architecture.mmd").read_bytes()
    svg = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert hashlib.sha256(source).hexdigest() in svg.partition("\n")[0]


def test_paths_in_text_exist() -> None:
    """Tests and modules that documents name in code marks; the changelog may name what is gone."""
    gone = []
    for page in PAGES:
        for path in re.findall(
            r"`((?:tests|bench|baselines|datasets|docs)/[\w/.-]+)`", page.read_text("utf-8")
        ):
            if not (ROOT / path).exists():
                gone.append(f"{page.name}: {path}")
    assert not gone

"""How text from records gets into a page or into Markdown: as text, and nothing else."""

from __future__ import annotations

import functools
import re
from typing import Any

import jinja2
from markupsafe import Markup, escape

from bench.core.resources import resource_dir


def environment(**more: Any) -> jinja2.Environment:
    """Of the report's templates; what is not defined is an error."""
    loader = jinja2.FileSystemLoader(resource_dir("reports/templates"))
    settings: dict[str, Any] = {"autoescape": False, "trim_blocks": True, "lstrip_blocks": True, **more}
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, **settings)


@functools.cache  # it keeps compiled templates
def html_environment() -> jinja2.Environment:
    """Escapes all that an expression prints."""
    made = environment(autoescape=True)
    made.filters["code"] = html_code
    return made


@functools.cache
def markdown_environment() -> jinja2.Environment:
    """Escapes all that an expression prints: nothing from a record is read as Markdown or HTML."""
    made = environment(finalize=markdown_text)
    made.filters["code"] = markdown_code
    return made


def html_code(text: str) -> Markup:
    """`text`, escaped, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def markdown_code(text: str) -> Markup:
    """`text` as `markdown_text` gives it; harmless words between backticks stay code."""
    parts = re.split(r"(`[\w ./:=,+-]+`)", text)
    return Markup("".join(part if i % 2 else _inner(part) for i, part in enumerate(parts)).strip())


def _inner(text: str) -> str:
    """`text` for Markdown, keeping a space at either end."""
    left, right = text[:1].isspace(), text[-1:].isspace()
    return " " * left + str(markdown_text(text)).strip() + " " * right


def markdown_text(value: object) -> object:
    """`value` as text that Markdown shows as it is, on one line; `Markup` passes unchanged."""
    if isinstance(value, Markup):
        return value
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", text)
    return " ".join(text.split()) if text.strip() else text

"""How variants and training settings are written to documents.

A field that came later is left out while it has its default: so what was written before, and its hash, stay
as they are.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Final

LATER: Final = {"later": True}
"""Metadata of a field that came after the first documents."""


def later_fields(kind: type) -> dict[str, Any]:
    """The fields that came later, with their defaults: a document without one means its default."""
    return {f.name: f.default for f in fields(kind) if "later" in f.metadata}


def stated(made: Any) -> dict[str, Any]:
    """The fields of a dataclass, without those that came later and have their default.

    The fields of a variant's parts stand beside its own.
    """
    unsaid = {name for name, value in later_fields(type(made)).items() if getattr(made, name) == value}
    content = {name: value for name, value in asdict(made).items() if name not in unsaid}
    return {**content, **dict(content.pop("parts", ()))}

"""The numbers and the records inside the page, compressed, so that the page alone can be passed on."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from bench.records.record import RunRecord

MAX_RECORDS = 200
MAX_BYTES = 3_000_000  # of all downloads, as base64


@dataclass(frozen=True)
class Download:
    """A file as a data URI (gzip), with what it holds in words."""

    name: str
    about: str
    data_uri: str


@dataclass(frozen=True)
class Downloads:
    """What can be saved from the page; `notes` say what had no room."""

    files: tuple[Download, ...]
    notes: tuple[str, ...]


def downloads(results: pd.DataFrame, differences: pd.DataFrame, records: Sequence[RunRecord]) -> Downloads:
    """The tables as CSV and the records as one JSON list, as long as there is room."""
    contents = [
        ("results.csv", "one line a number", results.to_csv(index=False)),
        ("differences.csv", "one line a comparison", differences.to_csv(index=False)),
    ]
    files, notes, room = [], [], MAX_BYTES
    if len(records) <= MAX_RECORDS:
        contents.append(("records.json", "all records", _json(records)))
    else:
        notes.append(f"{len(records)} records are too many for the page: see the output folder.")
    for name, about, text in contents:
        packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")
        if len(packed) > room:
            notes.append(f"{name} is too large for the page: see the output folder.")
            continue
        room -= len(packed)
        files.append(Download(name, about, f"data:application/gzip;base64,{packed}"))
    return Downloads(tuple(files), tuple(notes))


def _json(records: Sequence[RunRecord]) -> str:
    """As `asdict` would give them, which copies all that they hold first."""
    return json.dumps(list(records), default=_shallow, allow_nan=False)


def _shallow(one: Any) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in fields(one)}

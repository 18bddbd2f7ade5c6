"""The seal of a published folder: the hash of every file of its records, in `seal.json`.

It tells whether a record was changed after publishing. It does not tell who published it: whoever changes a
record on purpose can write the seal again, so keep the seal's own hash (`git` does) where that matters.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from bench.core.decode import decode
from bench.core.documents import DocumentError, read_json
from bench.core.errors import UsageError
from bench.core.files import sha256_file, write_text
from bench.records.record import records_dir

SEAL = "seal.json"
_SCHEMA = 1
_SHOWN = 3


class _Seal(TypedDict):
    schema_version: int
    sha256: dict[str, str]


def write_seal(folder: Path) -> Path:
    """Write `folder/seal.json` over all files in `folder/records`."""
    path = folder / SEAL
    content = {"schema_version": _SCHEMA, "sha256": _hashes(folder)}
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return path


def check_seal(folder: Path) -> None:
    """Check that the records of a published folder are as they were published.

    Raises:
        UsageError: if the folder has no seal, or a record was changed, added or taken away; it is named.
    """
    path = folder / SEAL
    if not path.exists():
        raise UsageError(
            f"expected {SEAL} in {folder}, found none: publish it by `bench publish`; a folder of an earlier "
            f"version gets it by `bench publish {folder} {folder} --update`"
        )
    try:
        before = decode(read_json(path), _Seal)["sha256"]
    except (DocumentError, ValueError) as error:
        raise UsageError(f"expected a seal in {path} ({error}): publish the folder again") from error
    now = _hashes(folder)
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise UsageError(
            f"expected the records of {folder} as they were published, found {', '.join(changed[:_SHOWN])}"
            f"{more} changed, added or gone: take them from where they were published, or publish again"
        )


def _hashes(folder: Path) -> dict[str, str]:
    """Name below `records/` -> sha256."""
    root = records_dir(folder)
    return {
        path.relative_to(root).as_posix(): sha256_file(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }

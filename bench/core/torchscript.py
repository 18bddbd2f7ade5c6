"""TorchScript files of others: what such a program must not name."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from bench.core.errors import UsageError

_REACHES_OUT = re.compile(
    rb"\b(?:save|from_file|read_file|write_file)\b|\bops\s*\.\s*(?!(?:prim|aten|quantized|torchvision)\b)\w+"
)


def check_code(path: Path) -> None:
    """Refuse a program that reaches files, and an archive that unpacks to much more than its size.

    Raises:
        UsageError: saying which.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 100 * path.stat().st_size:
                raise ValueError("its content is a hundred times as large as the file")
            for entry in archive.infolist():
                if "/code/" in f"/{entry.filename}" and (found := _REACHES_OUT.search(archive.read(entry))):
                    raise ValueError(f"its program names '{found[0].decode()}', which reaches out of it")
    except Exception as error:  # zipfile raises nearly anything on damaged files
        raise UsageError(f"expected a TorchScript file at {path}: {error}") from None

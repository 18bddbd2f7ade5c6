"""What users are told of folders that stand for a file of theirs, such as an archive that was unpacked."""

from __future__ import annotations

import os
from pathlib import Path

_stand_for: dict[str, str] = {}  # folder -> the user's file, of this process


def stand_for(folder: Path, file: Path) -> None:
    """From now on `shown` names `file` where a text names `folder`."""
    _stand_for[str(folder)] = str(file)


def shown(text: str) -> str:
    """`text` with `FILE!inner/path` for paths in folders that stand for a file, and `FILE (unpacked)` for
    such a folder itself."""
    for _ in _stand_for:  # parquet in an archive: one stands for another
        before = text
        for folder, file in _stand_for.items():
            if folder in text:
                text = text.replace(folder + os.sep, f"{file}!").replace(folder, f"{file} (unpacked)")
        if text == before:
            break
    return text

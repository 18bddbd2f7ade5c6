"""What users are told of folders that stand for a file of theirs, such as an archive that was unpacked."""

from __future__ import annotations

import os
from pathlib import Path

_stand_for: dict[str, str] = {}  # folder -> the user's file, of this process


def stand_for(folder: Path, file: str) -> None:
    """From now on `shown` names `file` where a text names `folder`.

    Args:
        file: as users know it, so through `shown` where it lies in such a folder itself.
    """
    _stand_for[str(folder)] = file


def shown(text: str) -> str:
    """`text` with `FILE!inner/path` for paths in folders that stand for a file, and `FILE (unpacked)` for
    such a folder itself."""
    for folder, file in _stand_for.items():
        text = text.replace(folder + os.sep, f"{file}!").replace(folder, f"{file} (unpacked)")
    return text

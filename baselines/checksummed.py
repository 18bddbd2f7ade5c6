"""Files of tensors with a checksum over all content: safetensors (no pickle).

The header holds the description and the checksum as one JSON text. Equal content gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_KEY, _CHECKSUM = "about", "sha256"


class DamagedFileError(ValueError):
    """The file is damaged, or this project did not write it."""


def save_checked(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and their description (JSON only) to `path`.

    Raises:
        OSError: if the disk cannot take it.
    """
    kept = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    text = json.dumps({**about, _CHECKSUM: _digest(kept, about)})
    try:
        save_file(kept, path, metadata={_KEY: text})
    except SafetensorError as error:  # safetensors raises it for any disk error
        raise OSError(f"cannot write {path}: {error}") from error


def load_checked(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and description, as given to `save_checked`.

    Raises:
        DamagedFileError: if a byte differs, or the file is of another kind.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as stored:
            about = json.loads((stored.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise DamagedFileError(" ".join(str(error).split())[:200]) from error
    if not isinstance(about, dict) or _CHECKSUM not in about:
        raise DamagedFileError("it has no checksum, so this project did not write it")
    expected = about.pop(_CHECKSUM)
    if _digest(tensors, about) != expected:
        raise DamagedFileError("its content does not match its checksum")
    return tensors, about


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()

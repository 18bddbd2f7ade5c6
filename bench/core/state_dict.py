"""State dicts from untrusted files: tensors only, and no larger than their file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


class WeightsError(ValueError):
    """The file is not a state dict that loads without code. The message says why, without its name."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a file written by `torch.save(model.state_dict(), ...)`, on the CPU.

    torch's restricted unpickler builds tensors and plain containers only. It refuses anything else that the
    file names and does not run it.

    Raises:
        WeightsError: if the file is not such a state dict, or its tensors claim more than its bytes.
    """
    try:
        _check_size(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # the unpickler raises nearly anything on damaged files
        raise WeightsError(f"it does not load without code ({_why(error)})") from error
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise WeightsError("it holds more than named tensors: save model.state_dict() alone")
    for name, value in found.items():
        _check_tensor(name, value)
    return dict(found)


def _why(error: Exception) -> str:
    """A message of our own: torch's text advises loading the file with code."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named is not None:
        return f"it names {named[1][:80]}"
    said = " ".join(str(error).split())[:200]
    return said if said.isprintable() and "trust" not in said else type(error).__name__


def _check_size(path: Path) -> None:
    """Refuse compressed archives: torch stores tensors uncompressed, so they may be zip bombs."""
    if not path.is_file():
        raise WeightsError("not a regular file")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise WeightsError("its content is compressed")


def _check_tensor(name: str, value: Tensor) -> None:
    """Refuse tensors that repeat few values without end (stride 0) or hold none (meta)."""
    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        raise WeightsError(f"{name[:80]} is not a plain tensor")
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        raise WeightsError(f"{name[:80]} claims more values than it has")

"""State dicts of other people's networks: tensors and nothing else, and no larger than their file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


class WeightsError(ValueError):
    """A file that is no state dict which loads without code; the message says why, without its name."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a file written by `torch.save(model.state_dict(), ...)`, on the CPU.

    torch's restricted unpickler builds tensors and plain containers only; anything else that a file names is
    refused, not run.

    Raises:
        WeightsError: if the file is no such state dict, or one whose tensors claim more than its bytes.
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
        raise WeightsError("it holds something else than named tensors: save model.state_dict() alone")
    for name, value in found.items():
        _check_tensor(name, value)
    return dict(found)


def _why(error: Exception) -> str:
    """torch's own text advises to load the file with code."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named is not None:
        return f"it names {named[1][:80]}"
    said = " ".join(str(error).split())[:200]
    return said if said.isprintable() and "trust" not in said else type(error).__name__


def _check_size(path: Path) -> None:
    """torch keeps tensors uncompressed: an archive that says otherwise is a bomb."""
    if not path.is_file():
        raise WeightsError("no regular file")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise WeightsError("its content is compressed")


def _check_tensor(name: str, value: Tensor) -> None:
    """A tensor may repeat its few values without end (stride 0), or have none at all (meta)."""
    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        raise WeightsError(f"{name[:80]} is no plain tensor")
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        raise WeightsError(f"{name[:80]} claims more values than it has")

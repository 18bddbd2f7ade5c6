"""Tensor files with a checksum: what is written comes back, and no damage goes unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from baselines.checksummed import DamagedFileError, load_checked, save_checked

TENSORS = {
    "weights": torch.arange(12.0).reshape(3, 4).T,  # not contiguous
    "step": torch.tensor(7.0),
    "half": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
    "none": torch.zeros(0, 3),
    "count": torch.tensor([2**40]),
}
ABOUT = {"identity": "me", "progress": {"sums": {"loss": 0.1 + 0.2}, "history": [{"step": 1}]}}


def test_content_comes_back_and_equal_content_is_equal_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    save_checked(one, TENSORS, ABOUT)
    save_checked(other, dict(reversed(TENSORS.items())), ABOUT)
    assert one.read_bytes() == other.read_bytes()
    tensors, about = load_checked(one)
    assert about == ABOUT
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        torch.testing.assert_close(tensors[name], value, rtol=0, atol=0, equal_nan=True)


def test_no_changed_bit_and_no_lost_byte_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_checked(path, TENSORS, ABOUT)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedFileError):
            load_checked(path)
    for length in (*range(0, len(whole), 50), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedFileError):
            load_checked(path)
    path.write_bytes(whole)
    load_checked(path)


def test_a_file_without_checksum_is_refused(tmp_path: Path) -> None:
    save_file(TENSORS | {"weights": torch.zeros(1)}, tmp_path / "file", metadata={"about": "{}"})
    with pytest.raises(DamagedFileError, match="no checksum"):
        load_checked(tmp_path / "file")


def test_a_disk_that_takes_nothing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write"):
        save_checked(tmp_path / "no" / "such" / "folder", TENSORS, ABOUT)

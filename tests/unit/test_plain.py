"""Single images as sources for a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.core.errors import UsageError
from bench.data.image_folder import list_images, read_images


def noise(seed: int, shape: tuple[int, ...], high: int = 256, dtype: Any = np.uint8) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, high, shape).astype(dtype))


def read(folder: Path, **changed: Any) -> dict[str, np.ndarray[Any, Any]]:
    settings: dict[str, Any] = {"size_px": 8, "channels": 3, "sample_type": "uint8", "nearest": False}
    return dict(read_images(list_images(folder), **{**settings, **changed}))


def test_natural_order_and_resizing(tmp_path: Path) -> None:
    photo, painted = noise(1, (20, 20, 3)), noise(2, (20, 20, 3)).quantize(8)
    photo.save(tmp_path / "10.png")
    painted.save(tmp_path / "9.png")
    images = read(tmp_path)
    assert list(images) == ["9", "10"]
    nearest = painted.convert("RGB").resize((8, 8), Image.Resampling.NEAREST)
    assert np.array_equal(images["9"], np.asarray(nearest))
    assert np.array_equal(images["10"], np.asarray(photo.resize((8, 8), Image.Resampling.BICUBIC)))
    labels = read(tmp_path, nearest=True)["10"]
    assert np.array_equal(labels, np.asarray(photo.resize((8, 8), Image.Resampling.NEAREST)))


def test_channels_follow_the_checkpoint(tmp_path: Path) -> None:
    noise(3, (8, 8)).save(tmp_path / "a.png")
    assert read(tmp_path, channels=1)["a"].shape == (8, 8, 1)
    colour = read(tmp_path, channels=3)["a"]
    assert colour.shape == (8, 8, 3)
    assert np.array_equal(colour[..., 0], colour[..., 2])


def test_sample_type_is_strict(tmp_path: Path) -> None:
    noise(4, (8, 8), 65536, np.uint16).save(tmp_path / "depth.png")
    assert read(tmp_path, channels=1, sample_type="uint16")["depth"].dtype == np.uint16
    with pytest.raises(UsageError, match=r"expected uint8 images.*depth\.png \(16-bit\)"):
        read(tmp_path)


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check --images"):
        list_images(tmp_path / "none")
    with pytest.raises(UsageError, match="expected images in"):
        list_images(tmp_path)
    noise(5, (8, 8, 3)).save(tmp_path / "a.png")
    noise(6, (8, 8, 3)).save(tmp_path / "a.bmp")
    with pytest.raises(UsageError, match="each stem once"):
        list_images(tmp_path)


def test_damaged_image_is_named(tmp_path: Path) -> None:
    noise(7, (64, 64, 3)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    with pytest.raises(UsageError, match=r"a\.png"):
        read(tmp_path)

"""Every encoding of one image gives its values, as other readers and arithmetic say, or is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from bench.core.errors import UsageError
from bench.data.image_file import decode, header

RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (9, 7)).astype(np.uint8)
RGB8 = RNG.integers(0, 256, (9, 7, 3)).astype(np.uint8)
GRAY16 = RNG.integers(0, 65536, (9, 7)).astype(np.uint16)
RGB16 = RNG.integers(0, 65536, (9, 7, 3)).astype(np.uint16)
FLOAT = RNG.normal(0, 9, (9, 7)).astype(np.float32)
DARK = GRAY8 < 99
LARGE = np.tile(RGB8, (4, 4, 1))
PLANES = {"photometric": "rgb", "planarconfig": "separate"}
TOGETHER = {"photometric": "minisblack", "planarconfig": "contig"}
ALPHA = {"photometric": "rgb", "extrasamples": ["unassalpha"]}


def tiff(values: NDArray[Any], **how: Any) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, values, **how)


def pillow(values: NDArray[Any], kind: str, **how: Any) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(values).save(path, kind, **how)


def npy(values: NDArray[Any]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, values)

    return write


def with_alpha(values: NDArray[Any]) -> NDArray[Any]:
    full = np.full((*values.shape[:2], 1), np.iinfo(values.dtype).max, values.dtype)
    return np.concatenate([values if values.ndim == 3 else values[..., None], full], axis=-1)


def pfm(values: NDArray[np.float32]) -> Callable[[Path], object]:
    rows = values[::-1].astype("<f4").tobytes()
    return lambda path: path.write_bytes(b"Pf\n%d %d\n-1.0\n" % values.shape[::-1] + rows)


READ: dict[str, tuple[Callable[[Path], object], NDArray[Any], str]] = {
    "png": (pillow(RGB8, "PNG"), RGB8, "colour"),
    "png gray": (pillow(GRAY8, "PNG"), GRAY8, "gray"),
    "png opaque": (pillow(with_alpha(RGB8), "PNG"), RGB8, "colour"),
    "png gray opaque": (lambda p: Image.fromarray(with_alpha(GRAY8)).save(p, "PNG"), GRAY8, "gray"),
    "png 16": (pillow(GRAY16, "PNG"), GRAY16, "16-bit"),
    "png 16 colour": (
        lambda p: p.write_bytes(cv2.imencode(".png", RGB16[..., ::-1])[1].tobytes()), RGB16, "16-bit colour",
    ),
    "png 16 colour opaque": (
        lambda p: p.write_bytes(cv2.imencode(".png", with_alpha(RGB16)[..., [2, 1, 0, 3]])[1].tobytes()),
        RGB16, "16-bit colour",
    ),
    "png one bit": (lambda p: Image.fromarray(DARK).save(p, "PNG"), DARK * np.uint8(255), "gray"),
    "bmp": (pillow(RGB8, "BMP"), RGB8, "colour"),
    "webp": (pillow(RGB8, "WEBP", lossless=True), RGB8, "colour"),
    "ppm": (pillow(RGB8, "PPM"), RGB8, "colour"),
    "pgm": (pillow(GRAY8, "PPM"), GRAY8, "gray"),
    "pgm 16": (lambda p: p.write_bytes(b"P5 7 9 65535\n" + GRAY16.astype(">u2").tobytes()), GRAY16, "16-bit"),
    "pfm": (pfm(FLOAT), FLOAT, "float"),
    "tiff": (tiff(RGB8, photometric="rgb"), RGB8, "colour"),
    "tiff tiles": (tiff(LARGE, photometric="rgb", tile=(16, 16)), LARGE, "colour"),
    "tiff planes": (tiff(np.moveaxis(RGB8, -1, 0), **PLANES), RGB8, "colour"),
    "tiff white 0": (tiff(255 - GRAY8, photometric="miniswhite"), GRAY8, "gray"),
    "tiff 16": (tiff(GRAY16), GRAY16, "16-bit"),
    "tiff 16 big-endian": (tiff(GRAY16, byteorder=">"), GRAY16, "16-bit"),
    "tiff 16 deflate": (tiff(GRAY16, compression="zlib", predictor=True), GRAY16, "16-bit"),
    "tiff 16 white 0": (tiff(65535 - GRAY16, photometric="miniswhite"), GRAY16, "16-bit"),
    "tiff 16 colour": (tiff(RGB16, photometric="rgb"), RGB16, "16-bit colour"),
    "tiff 16 colour big-endian": (tiff(RGB16, photometric="rgb", byteorder=">"), RGB16, "16-bit colour"),
    "tiff 16 planes": (tiff(np.moveaxis(RGB16, -1, 0), **PLANES), RGB16, "16-bit colour"),
    "tiff 16 opaque": (tiff(with_alpha(RGB16), **ALPHA), RGB16, "16-bit colour"),
    "tiff int16": (tiff((GRAY16 >> 1).astype(np.int16)), GRAY16 >> 1, "16-bit"),
    "tiff float": (tiff(FLOAT), FLOAT, "float"),
    "tiff float big-endian": (tiff(FLOAT, byteorder=">"), FLOAT, "float"),
    "tiff half": (tiff(FLOAT.astype(np.float16)), FLOAT.astype(np.float16), "float"),
    "tiff double": (tiff(FLOAT.astype(np.float64)), FLOAT, "float"),
    "npy": (npy(RGB8), RGB8, "colour"),
    "npy 16": (npy(GRAY16), GRAY16, "16-bit"),
    "npy 16 big-endian": (npy(GRAY16.astype(">u2")), GRAY16, "16-bit"),
    "npy int": (npy(GRAY16.astype(np.int64)), GRAY16, "16-bit"),
    "npy float": (npy(FLOAT[..., None]), FLOAT, "float"),
    "npy double": (npy(FLOAT.astype(np.float64)), FLOAT, "float"),
    "npy by columns": (npy(np.asfortranarray(FLOAT)), FLOAT, "float"),
    "npy float colour": (npy(RGB8.astype(np.float32)), RGB8, "float colour"),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_values_are_read_as_they_are(tmp_path: Path, case: str) -> None:
    write, wanted, kind = READ[case]
    write(tmp_path / "x.png")
    found, about = decode(tmp_path / "x.png"), header(tmp_path / "x.png")
    assert (found.kind, about.kind, about.size) == (kind, kind, found.size)
    assert np.array_equal(found.values, wanted if wanted.ndim == 3 else wanted[..., None])
    assert found.values.dtype in (np.uint8, np.uint16, np.float32)
    assert found.values.dtype.isnative


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "four channels": (
        tiff(np.dstack([RGB8, GRAY8]), photometric="rgb", extrasamples=["unspecified"]),
        "4 channels where 1 or 3",
    ),
    "five channels": (tiff(np.dstack([RGB8, GRAY8, GRAY8]), **TOGETHER), "5 channels"),
    "two channels": (tiff(with_alpha(GRAY8), **TOGETHER), "2 channels"),
    "pages": (tiff(np.stack([FLOAT, FLOAT])), "several frames"),
    "negative": (tiff(np.full((9, 7), -1, np.int16)), "0 to 65535 are read: rescale"),
    "large": (tiff(np.full((9, 7), 70_000, np.uint32)), "0 to 65535 are read: rescale"),
    "npy channels first": (npy(np.moveaxis(np.tile(RGB8, (4, 4, 1)), -1, 0)), "height, width, channels"),
    "npy complex": (npy(FLOAT.astype(np.complex64)), "save them as uint8"),
    "npy bool": (npy(GRAY8 > 9), "save them as uint8"),
    "tiff hole": (tiff(np.where(FLOAT > 0, FLOAT, np.nan)), "NaN or infinite"),
    "transparent": (pillow(np.dstack([RGB8, GRAY8]), "PNG"), "transparent pixels: flatten"),
    "transparent 16": (tiff(np.dstack([RGB16, GRAY16]), **ALPHA), "transparent"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_would_be_changed_is_refused(tmp_path: Path, case: str) -> None:
    write, said = REFUSED[case]
    write(tmp_path / "x.png")
    with pytest.raises(UsageError, match=said) as caught:
        decode(tmp_path / "x.png")
    assert str(tmp_path / "x.png") in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("values", [GRAY8, RGB8, GRAY16, RGB16, FLOAT], ids=lambda v: f"{v.dtype} {v.ndim}")
def test_a_turned_tiff_is_upright(tmp_path: Path, orientation: int, values: NDArray[Any]) -> None:
    turns = {
        2: (0, 1),
        3: (2, 0),
        4: (2, 1),
        5: (3, 1),
        6: (3, 0),
        7: (1, 1),
        8: (1, 0),
    }  # quarters, then mirrored
    quarters, mirrored = turns.get(orientation, (0, 0))
    wanted = np.rot90(values, quarters)
    wanted = wanted[:, ::-1] if mirrored else wanted
    for compression in (None, "zlib"):  # Pillow maps uncompressed ones into memory
        kind = {"photometric": "rgb"} if values.ndim == 3 else {}
        more = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(tmp_path / "x.tif", values, compression=compression, extratags=more, **kind)
        found = decode(tmp_path / "x.tif")
        assert np.array_equal(found.values[..., 0] if values.ndim == 2 else found.values, wanted)
        assert header(tmp_path / "x.tif").size == found.size
    if values.dtype == np.uint8:  # another writer, and EXIF of PNG
        kept = Image.Exif()
        kept[0x0112] = orientation
        Image.fromarray(values).save(tmp_path / "x.png", exif=kept)
        assert np.array_equal(decode(tmp_path / "x.png").values, found.values)


def test_what_changes_values_is_known_as_lossy(tmp_path: Path) -> None:
    for name, kind, how, lossy in (
        ("a", "JPEG", {}, True), ("b", "WEBP", {}, True), ("c", "WEBP", {"lossless": True}, False),
        ("d", "PNG", {}, False), ("e", "TIFF", {"compression": "jpeg"}, True), ("f", "TIFF", {}, False),
    ):  # fmt: skip
        Image.fromarray(RGB8).save(tmp_path / name, kind, **how)
        assert header(tmp_path / name).lossy == decode(tmp_path / name).lossy == lossy, kind


# --- colour profiles ----------------------------------------------------------------------------------


def profile(order: str, name: str = "swapped") -> bytes:
    """A matrix profile with sRGB's primaries in another order and gamma 2.2 (ICC.1:2001-04)."""
    xyz = {"r": (0.4361, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971), "b": (0.1431, 0.0606, 0.7139)}

    def fixed(values: tuple[float, ...]) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    text = name.encode() + b"\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78 + 1)
    tags = {b"desc": desc, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": fixed((0.9642, 1.0, 0.8249))}
    for channel, primary in zip("rgb", order, strict=True):
        tags[f"{channel}XYZ".encode()] = fixed(xyz[primary])
        tags[f"{channel}TRC".encode()] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256))
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for key, content in tags.items():
        content += bytes(-len(content) % 4)
        table += key + struct.pack(">II", at + len(body), len(content))
        body += content
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed((0.9642, 1.0, 0.8249))[8:] + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_colours_are_taken_to_srgb_as_their_profile_says(tmp_path: Path, kind: str) -> None:
    how = {"lossless": True} if kind == "WEBP" else {}
    smooth = np.full((4, 4, 3), (200, 120, 40), np.uint8)
    Image.fromarray(smooth).save(tmp_path / "x", kind, icc_profile=profile("bgr"), **how)
    assert header(tmp_path / "x").profile == "swapped"
    image = decode(tmp_path / "x")
    assert np.array_equal(image.values, smooth)  # a label map's colours are codes
    assert (
        np.abs(image.in_srgb().values[0, 0].astype(int) - (40, 120, 200)).max() <= 6
    )  # gamma 2.2 is not quite sRGB's


def test_a_profile_that_says_srgb_changes_nothing(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for content in (srgb, b"\0" * 300, profile("rgb")[:200]):
        Image.fromarray(RGB8).save(tmp_path / "x.png", icc_profile=content)
        assert header(tmp_path / "x.png").profile is None
        assert np.array_equal(decode(tmp_path / "x.png").in_srgb().values, RGB8)


def test_cmyk_becomes_srgb(tmp_path: Path) -> None:
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[..., 0] = 255  # cyan
    Image.fromarray(ink, "CMYK").save(tmp_path / "x.tif")
    assert header(tmp_path / "x.tif").cmyk
    assert decode(tmp_path / "x.tif").values[0, 0].tolist() == [0, 255, 255]
    Image.fromarray(ink, "CMYK").save(tmp_path / "x.jpg", quality=100)  # Adobe's JPEG holds it inverted
    assert np.abs(decode(tmp_path / "x.jpg").values[0, 0].astype(int) - (0, 255, 255)).max() <= 2


@pytest.mark.parametrize("mode", ["P", "P with alpha", "L", "RGB", "1", "I;16"])
def test_a_png_with_a_transparent_value_is_refused_where_pixels_have_it(mode: str, tmp_path: Path) -> None:
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    colours = np.stack([values, values // 2, values // 4], -1)
    image = {
        "P": Image.fromarray(values, "P"), "L": Image.fromarray(values), "RGB": Image.fromarray(colours),
        "1": Image.fromarray(values * 4).convert("1"),
        "I;16": Image.fromarray(values.astype(np.uint16) * 999),
    }[mode.split()[0]]  # fmt: skip
    used: Any = {"P with alpha": bytes([255, 9]), "RGB": (2, 1, 0), "I;16": 999, "1": 255}.get(mode, 3)
    unused: Any = {"P with alpha": bytes([255] * 70 + [0]), "RGB": (2, 2, 2), "I;16": 998}.get(mode, 200)
    if image.mode == "P":
        image.putpalette([level // 3 for level in range(768)])
    image.save(tmp_path / "hole.png", transparency=used)
    with pytest.raises(UsageError, match=r"hole\.png, found transparent pixels: flatten it"):
        decode(tmp_path / "hole.png")
    if mode != "1":  # both of its values are used
        image.save(tmp_path / "whole.png", transparency=unused)
        assert decode(tmp_path / "whole.png").size == (8, 8)

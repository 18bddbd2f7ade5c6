"""Images that mean harm, or are merely odd: each is read right, or refused in one line that names it."""

from __future__ import annotations

import io
import os
import resource
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from bench.core import images as core_images
from bench.core.errors import UsageError
from bench.data import layouts
from bench.data.image_file import decode, header
from bench.data.image_folder import list_images, read_images
from bench.data.open_dataset import open_dataset
from bench.data.side_by_side import is_side_by_side
from bench.stages.imported.match import images_of


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, raw: bytes, *more: bytes) -> bytes:
    """A PNG by hand: `raw` are its scan lines before compression."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))


def values(file: Path) -> NDArray[Any]:
    """Values of an image, without an axis for one channel."""
    found = decode(file).values
    return found[..., 0] if found.shape[-1] == 1 else found


RGB = noise(12, 16, 3)
PIXELS = np.asarray(RGB)
FRAMES = [noise(12, 16, 3), noise(12, 16, 3).transpose(Image.Transpose.ROTATE_180)]


def exif(orientation: int) -> Image.Exif:
    said = Image.Exif()
    said[0x0112] = orientation
    return said


# --- refused -----------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0 bytes"),
    "no image": (b"<html>", "cannot be read"),
    "absurd width": (png(2**31 - 1, 1, 8, 2, b""), "cannot be read"),
    "absurd size": (png(60_000, 60_000, 8, 0, b""), "cannot be read"),
    "bomb": (png(7072, 7072, 8, 0, bytes(7073 * 7072)), "7072x7072 px where 50,000,000"),
    "no size": (png(0, 0, 8, 2, b""), "cannot be read"),
    "truncated png": (saved(noise(64, 64, 3), "PNG")[:-2000], "cannot be read"),
    "truncated jpeg": (saved(noise(64, 64, 3), "JPEG")[:-1000], "truncated"),
    "truncated tiff": (saved(RGB, "TIFF")[:-200], "cannot be read"),
    "truncated webp": (saved(RGB, "WEBP", lossless=True)[:-200], "cannot be read"),
    "damaged png": (saved(RGB, "PNG").replace(b"IHDR", b"IHDX"), "cannot be read"),
    "png without pixels": (b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""), "cannot be read"),
    "animated png": (saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "several frames"),
    "animated webp": (saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "several frames"),
    "pages of a tiff": (saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "several frames"),
    "gif": (saved(RGB.convert("P"), "GIF"), "cannot identify"),
    "postscript": (saved(RGB, "EPS"), "cannot identify"),
    "icon": (saved(RGB, "ICO"), "cannot identify"),
    "pcx": (saved(RGB, "PCX"), "cannot identify"),
    "16-bit alpha": (png(2, 1, 16, 6, b"\0" + bytes(16)), "transparent pixels: flatten"),
    "16-bit gray alpha": (png(2, 1, 16, 4, b"\0" + bytes(8)), "without alpha"),
    "ppm in text": (b"P3 1 1 255 1 2 3\n", "save it as PNG"),
    "pgm of ten bits": (b"P5 1 1 1023\n" + bytes(2), "save it as PNG"),
    "array of texts": (npy(np.array([["a"]])), "save them as uint8"),
    "array of one axis": (npy(np.zeros(3, np.uint8)), "height, width"),
    "array with a hole": (npy(np.array([[1.0, np.nan]])), "NaN or infinite"),
    "array of objects": (npy(np.array([[None]])), "save them as uint8"),
    "large whole numbers": (npy(np.array([[70_000]])), "rescale"),
    "cut array": (npy(np.zeros((9, 9)))[:-9], "cannot be read"),
    "gray of 4 bits": (png(2, 1, 4, 0, b"\0\x12"), "gray of 4 bits"),
    "gray of 2 bits": (png(2, 1, 2, 0, b"\0\x12"), "gray of 2 bits"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_refused_in_one_line(tmp_path: Path, case: str) -> None:
    content, said = REFUSED[case]
    file = tmp_path / "it.png"
    file.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match=said) as caught:
        decode(file)
    assert str(file) in str(caught.value)
    assert str(caught.value).isprintable()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_the_largest_image_stays_below_a_gigabyte(tmp_path: Path) -> None:
    Image.new("L", (7071, 7071)).save(tmp_path / "large.png", compress_level=1)
    assert 7071**2 <= core_images.MAX_PIXELS < 7072**2
    assert decode(tmp_path / "large.png").size == (7071, 7071)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 10**6 * 4


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_modes_that_are_not_read_say_what_to_do(tmp_path: Path, mode: str) -> None:
    image = lab(noise(8, 16, 3)) if mode == "LAB" else noise(8, 16, 3).convert(mode)
    for split in ("train", "test"):
        (tmp_path / "mine" / split).mkdir(parents=True)
        image.save(tmp_path / "mine" / split / "1.tif")
    with pytest.raises(UsageError, match=r"train/1\.tif.*(mode|colours as).*convert|save"):
        open_dataset("mine", root=tmp_path / "mine")


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "CMYK"])
def test_modes_that_hold_the_same_are_read(tmp_path: Path, mode: str) -> None:
    image = noise(8, 16, 3).quantize(9) if mode == "P" else noise(8, 16, 3).convert(mode)
    name = "1.tif" if mode == "CMYK" else "1.png"
    for split in ("train", "test"):
        (tmp_path / "mine" / split).mkdir(parents=True)
        image.save(tmp_path / "mine" / split / name)
    data = open_dataset("mine", root=tmp_path / "mine")
    left, right = data.images.read("train", 0, None)
    wanted = np.asarray(image.convert("L" if mode in ("LA", "1") else "RGB"))
    found = np.concatenate([left.image, right.image], axis=1)
    assert np.array_equal(found[..., 0] if wanted.ndim == 2 else found, wanted)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_that_hides_something_is_refused(tmp_path: Path, mode: str) -> None:
    image = noise(8, 16, 3).convert(mode)
    image.putpixel((0, 0), (*image.getpixel((0, 0))[:-1], 254))  # type: ignore[index, misc]
    image.save(tmp_path / "x.png")
    with pytest.raises(UsageError, match="transparent pixels: flatten it onto a background"):
        decode(tmp_path / "x.png")


def lab(image: Image.Image) -> Image.Image:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    turned = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert turned is not None
    return turned


# --- read right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_images_are_read_upright(tmp_path: Path, orientation: int, kind: str) -> None:
    file = tmp_path / "turned.png"
    options = {"lossless": True} if kind == "WEBP" else {}
    file.write_bytes(saved(RGB, kind, exif=exif(orientation), **options))
    found = values(file)
    flips = {1: PIXELS, 2: PIXELS[:, ::-1], 3: PIXELS[::-1, ::-1], 4: PIXELS[::-1]}
    sides = {5: PIXELS, 6: PIXELS[::-1], 7: PIXELS[::-1, ::-1], 8: PIXELS[:, ::-1]}
    wanted = flips[orientation] if orientation < 5 else sides[orientation].transpose(1, 0, 2)
    assert np.array_equal(found, wanted)
    assert header(file).size == (found.shape[1], found.shape[0])


def test_a_pair_on_its_side_is_known_by_its_upright_size(tmp_path: Path) -> None:
    (tmp_path / "pair.jpg").write_bytes(saved(noise(32, 16, 3), "JPEG", exif=exif(6)))
    assert is_side_by_side(tmp_path / "pair.jpg")


def test_an_orientation_that_is_none_changes_nothing(tmp_path: Path) -> None:
    for orientation in (0, 9, 60_000):
        (tmp_path / "x.png").write_bytes(saved(RGB, "PNG", exif=exif(orientation)))
        assert np.array_equal(values(tmp_path / "x.png"), PIXELS)


def test_a_colour_profile_changes_no_value(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("PNG", "TIFF"):
        (tmp_path / "x.png").write_bytes(saved(RGB, kind, icc_profile=profile))
        assert np.array_equal(values(tmp_path / "x.png"), PIXELS)
    (tmp_path / "x.png").write_bytes(saved(RGB, "PNG", icc_profile=b"\0" * 300))
    assert np.array_equal(values(tmp_path / "x.png"), PIXELS)


def test_a_png_whose_stream_ends_early_is_black_from_there(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(1, 3, 8, 0, b"\0\xff"))  # one row of three, its checksums right
    assert values(tmp_path / "x.png").tolist() == [[255], [0], [0]]


def test_a_transparent_colour_that_pixels_have_is_refused(tmp_path: Path) -> None:
    raw = b"\0" + bytes([9, 8, 7, 1, 2, 3])
    (tmp_path / "x.png").write_bytes(png(2, 1, 8, 2, raw, chunk(b"tRNS", struct.pack(">HHH", 9, 8, 7))))
    with pytest.raises(UsageError, match="found transparent pixels"):
        values(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(png(2, 1, 8, 2, raw, chunk(b"tRNS", struct.pack(">HHH", 9, 8, 6))))
    assert values(tmp_path / "x.png").tolist() == [[[9, 8, 7], [1, 2, 3]]]


def test_a_transparent_colour_of_16_bits_that_pixels_have_is_refused(tmp_path: Path) -> None:
    raw = b"\0" + struct.pack(">6H", 900, 800, 700, 1, 2, 3)
    (tmp_path / "x.png").write_bytes(
        png(2, 1, 16, 2, raw, chunk(b"tRNS", struct.pack(">HHH", 900, 800, 700)))
    )
    with pytest.raises(UsageError, match="found transparent pixels"):
        values(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(png(2, 1, 16, 2, raw, chunk(b"tRNS", struct.pack(">HHH", 900, 800, 6))))
    assert values(tmp_path / "x.png").tolist() == [[[900, 800, 700], [1, 2, 3]]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_with_opaque_alpha_gives_its_indices_and_its_colours(tmp_path: Path, bits: int) -> None:
    raw = {1: b"\0\x40", 2: b"\0\x10", 4: b"\0\x01", 8: b"\0\0\1"}[bits]
    palette = chunk(b"PLTE", bytes([9, 8, 7, 1, 2, 3])), chunk(b"tRNS", b"\xff\xff")
    (tmp_path / "x.png").write_bytes(png(2, 1, bits, 3, raw, *palette))
    assert values(tmp_path / "x.png").tolist() == [[0, 1]]
    assert decode(tmp_path / "x.png").coloured().values.tolist() == [[[9, 8, 7], [1, 2, 3]]]
    how = {"size_px": 2, "channels": 3, "sample_type": "uint8", "nearest": False}
    (_, image), *_ = read_images([tmp_path / "x.png"], **how)  # type: ignore[arg-type]
    assert image[0].tolist() == [[9, 8, 7], [1, 2, 3]]


def test_sixteen_bits_of_gray_keep_their_values(tmp_path: Path) -> None:
    for name, content in (
        ("x.png", png(2, 1, 16, 0, b"\0\1\2\xff\xff")),
        ("x.tif", saved(Image.fromarray(np.array([[258, 65535]], np.uint16)), "TIFF")),
    ):
        (tmp_path / name).write_bytes(content)
        assert values(tmp_path / name).tolist() == [[258, 65535]]


def test_the_first_image_of_a_stereo_jpeg_counts(tmp_path: Path) -> None:
    content = saved(RGB, "MPO", save_all=True, append_images=[Image.new("RGB", (16, 12))])
    (tmp_path / "x.jpg").write_bytes(content)
    assert values(tmp_path / "x.jpg").std() > 10


def test_the_content_counts_and_not_the_ending(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(saved(RGB, "BMP"))
    assert np.array_equal(values(tmp_path / "x.png"), PIXELS)


# --- names and places ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a b", "-rf", "--out", "ü", "u\u0308", "日本", "$(x)", "a'b\"c", "%s{}", "*", "x" * 250]
)
def test_names_with_all_kinds_of_letters_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.png").write_bytes(saved(RGB, "PNG"))
    assert list_images(tmp_path) == layouts.images(tmp_path) == [tmp_path / f"{name}.png"]
    assert np.array_equal(values(layouts.images(tmp_path)[0]), PIXELS)


@pytest.mark.parametrize(
    "name", ["a\nb", "a\rb", "\x1b[2J", "a\tb", "\u2028", os.fsdecode(b"\xff\xfe")], ids=ascii
)
def test_names_that_would_break_a_line_or_a_terminal_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.png").write_bytes(saved(RGB, "PNG"))
    for use in (layouts.images, list_images, lambda folder: images_of(folder, "target", "--target")):
        with pytest.raises(UsageError, match="control characters") as caught:
            use(tmp_path)
        assert str(caught.value).isprintable()


def loop(place: Path) -> None:
    place.symlink_to(place.name)


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, Path.mkdir, loop, lambda place: place.symlink_to("nowhere.png")],
    ids=["pipe", "folder", "loop", "broken link"],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "1.png").write_bytes(saved(RGB, "PNG"))
    make(tmp_path / "2.png")
    ended = threading.Event()

    def use() -> None:
        with pytest.raises(UsageError, match=r"2\.png"):
            layouts.images(tmp_path)
        with pytest.raises(UsageError, match=r"2\.png"):
            decode(tmp_path / "2.png")
        ended.set()

    threading.Thread(target=use, daemon=True).start()  # a pipe that is opened blocks forever
    assert ended.wait(5)


def test_a_loop_of_folders_ends(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(saved(RGB, "PNG"))
    (tmp_path / "in" / "again").symlink_to(tmp_path)
    assert [image.name(False) for image in images_of(tmp_path, "target", "--target")] == ["a"]

"""Images written by threads: the same files, and a failure is the stage's own."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from baselines.build import build_generator
from baselines.settings import TestSettings, TrainingSettings
from baselines.translate import Checkpoint
from baselines.variants import parse_variant
from bench.core.errors import UsageError
from bench.core.images import read_png
from bench.stages import generate
from bench.stages import write_ahead as writing
from bench.stages.generate import generate_split, translate_folder
from bench.stages.write_ahead import Writer, writing_threads

COUNT = 40
RNG = np.random.default_rng(0)
SOURCES = RNG.integers(0, 256, (COUNT, 32, 32, 3), np.uint8)


class Split(SimpleNamespace):
    source, names = SOURCES, [f"street-{index}" for index in range(COUNT)]

    def __len__(self) -> int:
        return COUNT


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    variant, settings = parse_variant("l1"), TrainingSettings(steps=1, size_px=32, base_filters=4)
    torch.manual_seed(0)
    generator = build_generator(variant, settings, 3, 3)
    return Checkpoint(generator, variant, settings, 3, "uint8", "bicubic", "uint8", "run")


def made(checkpoint: Checkpoint, to: Path) -> dict[str, bytes]:
    told: list[int] = []
    split: Any = Split()
    generate_split(checkpoint, split, TestSettings(), 0, to, lambda done, _: told.append(done))
    assert told == list(range(1, COUNT + 1))
    return {path.name: path.read_bytes() for path in to.iterdir()}


def of_the_writer() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("write")]


def test_files_are_the_same_whoever_writes_them(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = made(checkpoint, tmp_path / "alone")
    monkeypatch.setattr(generate, "writing_threads", lambda device: 3)
    assert made(checkpoint, tmp_path / "threads") == alone
    assert len(alone) == COUNT
    images = tmp_path / "images"
    images.mkdir()
    for name, image in zip(Split.names, SOURCES, strict=True):
        Image.fromarray(image).save(images / f"{name}.png")
    translate_folder(checkpoint, images, tmp_path / "to", TestSettings(), 0, lambda *_: None)
    assert {path.name: path.read_bytes() for path in (tmp_path / "to").iterdir()} == alone
    assert of_the_writer() == []


@pytest.mark.parametrize("failing", [0, 17, COUNT - 1])
def test_an_image_that_cannot_be_written_fails_the_stage(
    failing: int, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = writing.save_image

    def full(path: Path, image: NDArray[Any]) -> None:
        if path.stem == f"street-{failing}":
            raise OSError(28, "No space left on device")
        save(path, image)

    monkeypatch.setattr(writing, "save_image", full)
    monkeypatch.setattr(generate, "writing_threads", lambda device: 3)
    split: Any = Split()
    with pytest.raises(OSError, match="No space left"):
        generate_split(checkpoint, split, TestSettings(), 0, tmp_path / "to", lambda *_: None)
    assert list(tmp_path.iterdir()) == []
    assert of_the_writer() == []


def test_whoever_leaves_early_leaves_no_thread_that_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, begun = threading.Event(), threading.Event()

    def slow(path: Path, image: NDArray[Any]) -> None:
        begun.set()
        release.wait(20)
        path.touch()

    def leave(writer: Writer) -> None:
        with writer:
            for index in range(4):
                writer.put(tmp_path / f"{index}", SOURCES[0])
            begun.wait(20)
            threading.Timer(0.1, release.set).start()
            raise KeyboardInterrupt

    monkeypatch.setattr(writing, "save_image", slow)
    with pytest.raises(KeyboardInterrupt):
        leave(Writer(1))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]  # what was in hand; the rest is dropped
    assert of_the_writer() == []


@pytest.mark.parametrize("side", [1, 31, 2049])
def test_images_of_a_size_that_no_generator_has_are_refused(
    checkpoint: Checkpoint, side: int, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, side)).save(tmp_path / "images" / "0.png")
    with pytest.raises(UsageError, match=rf"32 to 2048 px on each side, found 64x{side} for .*0\.png"):
        translate_folder(
            checkpoint, tmp_path / "images", tmp_path / "to", TestSettings(), 0, lambda *_: None, "native"
        )
    assert not (tmp_path / "to").exists()


def test_not_everything_waits_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Writer(2) as writer:
        for index in range(COUNT):
            writer.put(tmp_path / f"{index}.png", SOURCES[index])
            assert len(writer._waiting) <= 8
    np.testing.assert_array_equal(read_png(tmp_path / "7.png"), SOURCES[7])


def test_threads_write_where_a_gpu_makes_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert writing_threads(torch.device("cuda", 0)) == 8
    assert writing_threads(torch.device("cpu")) == 0
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert writing_threads(torch.device("cuda")) == 1

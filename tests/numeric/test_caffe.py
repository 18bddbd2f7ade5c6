"""Caffe weights and FCN-8s against OpenCV's importer of Caffe networks, and the reader on damaged files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from caffe_files import FULL, SMALL, caffemodel, delimited, fcn8s_weights, integer, prototxt, varint

from bench.core.errors import UsageError
from bench.scoring.judges import fcn8s
from bench.scoring.judges.caffe_fcn8s import load_fcn8s
from bench.scoring.judges.caffe_proto import read_layers

Weights = dict[str, list[np.ndarray]]
DECONVOLUTIONS = {name: "Deconvolution" for name in ("upscore2", "upscore_pool4", "upscore8")}


@pytest.fixture(scope="module")
def weights() -> Weights:
    return fcn8s_weights(SMALL)


@pytest.fixture(scope="module")
def small(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("caffe") / "small.caffemodel"
    path.write_bytes(caffemodel(weights, types=DECONVOLUTIONS))
    return path


def opencv_scores(model: Path, widths: tuple[int, ...], pixels: np.ndarray) -> np.ndarray:
    cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless 4.x")
    description = model.with_suffix(f".{pixels.shape[2]}x{pixels.shape[3]}.prototxt")
    description.write_text(prototxt(widths, *pixels.shape[2:]))
    network = cv2.dnn.readNetFromCaffe(str(description), str(model))
    network.setInput(pixels)
    scores: np.ndarray = network.forward("score")
    return scores


def pixels_of(height: int, width: int) -> np.ndarray:
    """Pixels of the range that the network sees: 0..255 less a mean."""
    return (np.random.default_rng(7).random((1, 3, height, width)) * 255 - 76).astype(np.float32)


def deviation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference, relative to the largest score."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@torch.inference_mode()
def our_scores(model: Path, pixels: np.ndarray) -> np.ndarray:
    scores: np.ndarray = load_fcn8s(model).score_maps(torch.from_numpy(pixels)).numpy()
    return scores


# --- the network -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (64, 96), (57, 91), (1, 1), (129, 33), (255, 257), (31, 200)]
)
def test_score_maps_equal_opencvs(small: Path, height: int, width: int) -> None:
    pixels = pixels_of(height, width)
    theirs, ours = opencv_scores(small, SMALL, pixels), our_scores(small, pixels)
    assert ours.shape == theirs.shape == (1, 20, height, width)
    assert theirs.std() > 1  # a map of zeros would agree with anything
    assert deviation(ours, theirs) < 1e-5
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.999


@pytest.mark.parametrize("which", ["score_pool4", "score_pool3", "score"])
def test_a_crop_off_by_one_is_seen(small: Path, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = pixels_of(57, 91)
    theirs = opencv_scores(small, SMALL, pixels)
    monkeypatch.setitem(fcn8s.CROPS, which, fcn8s.CROPS[which] + 1)
    assert deviation(our_scores(small, pixels), theirs) > 1e-2


@pytest.mark.slow
def test_full_size_equals_opencv(tmp_path: Path) -> None:
    model = tmp_path / "full.caffemodel"
    model.write_bytes(caffemodel(fcn8s_weights(FULL), types=DECONVOLUTIONS))
    for height, width in ((33, 47), (128, 101)):
        pixels = pixels_of(height, width)
        assert deviation(our_scores(model, pixels), opencv_scores(model, FULL, pixels)) < 1e-4


def test_cost_at_the_label_size_is_the_published_one() -> None:
    with torch.device("meta"):
        network = fcn8s.FCN8s(20)
    assert network.flops(1024, 2048) == pytest.approx(2.2e12, rel=0.02)


# --- the format --------------------------------------------------------------------------------------


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_way_to_write_it_reads_the_same(
    tmp_path: Path, weights: Weights, v1: bool, packed: bool, legacy: bool, dtype: type
) -> None:
    path = tmp_path / "w.caffemodel"
    written = {name: [array.astype(dtype) for array in arrays] for name, arrays in weights.items()}
    path.write_bytes(caffemodel(written, v1=v1, packed=packed, legacy=legacy))
    state = load_fcn8s(path).state_dict()
    assert len(state) == sum(map(len, weights.values()))
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        name = layer.rpartition(".")[2]
        arrays = weights[f"{name}_cs" if name.startswith("fc") else name]
        assert np.array_equal(value.numpy(), arrays[("weight", "bias").index(kind)])


def test_opencv_reads_what_the_tests_write_in_the_v1_format(tmp_path: Path, weights: Weights) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless 4.x")
    path = tmp_path / "v1.caffemodel"
    path.write_bytes(caffemodel({"conv1_1": weights["conv1_1"]}, v1=True, legacy=True))
    description = tmp_path / "v1.prototxt"
    description.write_text(
        'name: "n" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8 '
        'layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "conv1_1" '
        "convolution_param { num_output: 3 kernel_size: 3 } }"
    )
    network = cv2.dnn.readNetFromCaffe(str(description), str(path))
    pixels = pixels_of(8, 8)
    network.setInput(pixels)
    blobs = [
        torch.from_numpy(blob.array().reshape(s))
        for blob, s in zip(read_layers(path)["conv1_1"], ((3, 3, 3, 3), (3,)), strict=True)
    ]
    ours = torch.nn.functional.conv2d(torch.from_numpy(pixels), *blobs).numpy()
    assert deviation(ours, network.forward()) < 1e-5


def test_parts_of_one_array_are_joined(tmp_path: Path) -> None:
    """Protobuf allows a packed array in several pieces, and single numbers between them."""
    numbers = np.arange(7, dtype="<f4")
    piece = delimited(5, numbers[:3].tobytes()) + varint(5 << 3 | 5) + numbers[3:4].tobytes()
    blob = piece + delimited(7, delimited(1, b"\x07")) + delimited(5, numbers[4:].tobytes())
    path = tmp_path / "w.caffemodel"
    path.write_bytes(delimited(100, delimited(1, b"a") + delimited(7, blob)))
    assert read_layers(path)["a"][0].array().tolist() == numbers.tolist()


def test_the_last_of_equal_names_counts_and_plain_names_do_too(tmp_path: Path, weights: Weights) -> None:
    plain = {name.removesuffix("_cs"): arrays for name, arrays in weights.items()}
    wrong = {"score_fr": [np.zeros((1, 1), np.float32)]}
    path = tmp_path / "w.caffemodel"
    path.write_bytes(caffemodel(wrong) + caffemodel(plain))
    assert load_fcn8s(path).score_fr.out_channels == 20


def drop(name: str) -> Callable[[Weights], object]:
    return lambda weights: weights.pop(name)


def put(name: str, change: Callable[[list[np.ndarray]], list[np.ndarray]]) -> Callable[[Weights], object]:
    return lambda weights: weights.update({name: change(weights[name])})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("conv3_2"), "no layer conv3_2"),
        (drop("fc6_cs"), "no layer fc6_cs or fc6"),
        (put("conv2_1", lambda w: [w[0][:, :2], w[1]]), "layer conv2_1 is 4x2x3x3 instead of 4x3x3x3"),
        (put("fc7_cs", lambda w: w[:1]), "layer fc7_cs has 1 blobs instead of 2"),
        (put("upscore8", lambda w: [w[0][:, :1]]), "layer upscore8 is 20x1x16x16 instead of 20x20x16x16"),
        (put("score_pool3", lambda w: [a[:19] for a in w]), "layer score_pool3 is 19x5x1x1"),
        (put("conv1_1", lambda w: [w[0], w[1] * np.float32("nan")]), "conv1_1 holds values that are not fin"),
        (put("conv1_1", lambda w: [w[0].astype(np.float64) * 1e300, w[1]]), "not finite"),
    ],
)
def test_missing_and_misshaped_layers_are_named(
    tmp_path: Path, weights: Weights, change: Callable[[Weights], object], said: str
) -> None:
    changed = dict(weights)
    change(changed)
    path = tmp_path / "w.caffemodel"
    path.write_bytes(caffemodel(changed))
    with pytest.raises(UsageError, match=said) as raised:
        load_fcn8s(path)
    assert str(path) in str(raised.value)


# --- files that are none -----------------------------------------------------------------------------


def layer(blob: bytes) -> bytes:
    """A file with one layer, conv1_1, of twice that blob."""
    return delimited(100, delimited(1, b"conv1_1") + delimited(7, blob) * 2)


HOSTILE = {
    "empty": b"",
    "text": b'name: "FCN8s" layer { name: "data" }',
    "page": b"<!DOCTYPE html><html><body>404</body></html>",
    "length beyond the end": varint(100 << 3 | 2) + varint(1 << 62),
    "endless number": b"\xff" * 40,
    "huge shape": layer(delimited(7, delimited(1, varint(1 << 40) + b"\x03\x03\x03"))),
    "huge legacy shape": layer(integer(1, 1 << 62) + integer(2, 3) + integer(3, 3) + integer(4, 3)),
    "many axes": layer(delimited(7, delimited(1, b"\x01" * 100_000))),
    "group": varint(100 << 3 | 3),
    "field zero": b"\x02\x00",
    "odd bytes of floats": layer(delimited(5, b"12345")),
    "doubles as floats": layer(varint(5 << 3 | 1) + bytes(8)),
    "tiny fields": integer(5, 0) * 2_000_000,
    "alternating": (varint(5 << 3 | 5) + bytes(4) + integer(6, 0)) * 1_000_000,
    "no weights": delimited(100, delimited(1, b"data")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_files_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.caffemodel"
    path.write_bytes(HOSTILE[name])
    started = time.process_time()
    with pytest.raises(UsageError) as raised:
        load_fcn8s(path)
    assert time.process_time() - started < 10
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a network of Caffe"):
        read_layers(tmp_path)


def mutations(data: bytes, count: int) -> list[bytes]:
    """Cut, overwritten, shortened and stuffed copies; half of the changes hit the first bytes and lengths."""
    rng = np.random.default_rng(11)
    heads = [i for i in range(len(data) - 1) if data[i : i + 2] == varint(100 << 3 | 2)]
    copies = []
    for index in range(count):
        place = int(rng.choice(heads) + rng.integers(0, 24)) if index % 2 else int(rng.integers(0, len(data)))
        noise = rng.integers(0, 256, int(rng.integers(1, 9)), dtype=np.uint8).tobytes()
        kind = index // 2 % 4
        if kind == 0:
            copies.append(data[:place])
        elif kind == 1:
            copies.append(data[:place] + noise + data[place + len(noise) :])
        elif kind == 2:
            copies.append(data[:place] + data[place + len(noise) :])
        else:
            copies.append(data[:place] + noise + data[place:])
    return copies


def test_damaged_files_are_refused_or_read_but_nothing_else(tmp_path: Path) -> None:
    data = caffemodel(fcn8s_weights((1, 1, 1, 1, 1, 1)), v1=False)
    path, refused = tmp_path / "x.caffemodel", 0
    for copy in mutations(data, 400):
        path.write_bytes(copy)
        started = time.process_time()
        try:
            load_fcn8s(path)
        except UsageError:
            refused += 1
        assert time.process_time() - started < 5
    assert refused > 120  # many changes hit a weight, and a changed weight is a weight

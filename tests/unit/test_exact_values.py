"""Images of 16 bits and floats are scored with their own values: scikit-image's, from files to numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.core.errors import UsageError
from bench.data.cache import FileHashes
from bench.records.record import MetricResult
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.one_pass import score
from bench.stages.imported.gather import ForeignRequest, gather

KEYS = ("ssim", "psnr", "mae", "pixel_acc@5", "lab_l")
RNG = np.random.default_rng(0)
Values = NDArray[Any]


def write(path: Path, values: Values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, values, **({"photometric": "rgb"} if values.ndim == 3 else {}))
    else:
        Image.fromarray(values).save(path)


def scored(root: Path, cache: Path, row: str = "pred", **request: Any) -> dict[str, MetricResult]:
    asked = ForeignRequest((root / "pred",), target=root / "target", **request)
    found = gather(asked, FileHashes(cache / "hashes.json"))
    test = found.test(cache)
    context = ScoringContext(
        card=found.card, size_px=found.size_px, target_role="image", row="run", device="cpu", cache=cache,
        test=test, data_range=found.data_range,
    )  # fmt: skip
    predictions = found.prediction(0) if row == "pred" else found.source()
    output, _ = score(predictions, context, KEYS, lambda done, remark: None)
    return {result.name: result for result in output.results}


def expected(pairs: list[tuple[Values, Values]], data_range: float) -> dict[str, float]:
    """scikit-image's values, the mean over pairs of (prediction, target)."""
    window: dict[str, Any] = {
        "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": data_range,
    }  # fmt: skip
    axis = {"channel_axis": -1} if pairs[0][0].ndim == 3 else {}
    floats = [(a.astype(np.float64), b.astype(np.float64)) for a, b in pairs]
    return {
        "ssim": float(np.mean([structural_similarity(b, a, **window, **axis) for a, b in floats])),
        "psnr": float(np.mean([peak_signal_noise_ratio(b, a, data_range=data_range) for a, b in floats])),
        "mae": float(np.mean([np.abs(a - b).mean() for a, b in floats])),
    }


def case(root: Path, end: str, pairs: list[tuple[Values, Values]]) -> None:
    for index, (guess, truth) in enumerate(pairs):
        write(root / "pred" / f"{index}.{end}", guess)
        write(root / "target" / f"{index}.{end}", truth)


def agree(found: dict[str, MetricResult], wanted: dict[str, float]) -> None:
    for key, value in wanted.items():
        assert found[key].value == pytest.approx(value, rel=0, abs=1e-9), key


def depths(offset: int) -> list[tuple[Values, Values]]:
    y, x = np.mgrid[:64, :64]
    truth = [(1000 + 60 * x + 20 * y + 50 * i).astype(np.uint16) for i in range(3)]
    noise = [RNG.integers(0, 30, (64, 64)).astype(np.uint16) for _ in truth]
    return [(one + more + np.uint16(offset), one) for one, more in zip(truth, noise, strict=True)]


@pytest.mark.parametrize("end", ["png", "tif", "npy"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_equal_scikit_image(tmp_path: Path, cache: Path, end: str, channels: int) -> None:
    if (end, channels) == ("png", 3):
        return  # `test_image_file` reads it; Pillow cannot write it
    pairs = depths(40)
    if channels == 3:
        pairs = [(np.dstack([a, a // 2, a]), np.dstack([b, b // 2, a])) for a, b in pairs]
    case(tmp_path, end, pairs)
    found = scored(tmp_path, cache)
    agree(found, expected(pairs, 65535))
    assert found["mae"].protocol["data"] == "uint16, range 0 to 65535 (of the type), mean over pictures"
    assert found["lab_l"].protocol["values"] == "uint16, range 0 to 65535 (of the type), shown in 8 bits"


def test_a_wall_that_is_wrong_by_less_than_a_grey_level_is_not_identical(tmp_path: Path, cache: Path) -> None:
    for near, far, inside in ((5020, 5260, 1.0), (5020, 5020 + 5 * 257, 1.0), (5020, 5021 + 5 * 257, 0.0)):
        pairs = [(np.full((64, 64), far, np.uint16), np.full((64, 64), near, np.uint16))] * 2
        case(tmp_path, "png", pairs)
        found = scored(tmp_path, cache)
        agree(found, expected(pairs, 65535))
        assert found["pixel_acc@5"].value == inside


@pytest.mark.parametrize("end", ["tif", "npy"])
def test_floats_are_scored_in_their_range(tmp_path: Path, cache: Path, end: str) -> None:
    truth = [RNG.normal(3, 1, (48, 48)).astype(np.float32) for _ in range(3)]
    pairs = [(one + RNG.normal(0, 0.1, one.shape).astype(np.float32), one) for one in truth]
    case(tmp_path, end, pairs)
    low, high = min(float(one.min()) for one in truth), max(float(one.max()) for one in truth)
    measured = scored(tmp_path, cache)
    agree(measured, expected(pairs, high - low))
    assert f"range {low:g} to {high:g} (measured on the targets)" in measured["psnr"].protocol["data"]
    declared = scored(tmp_path, cache, data_range=(-10.0, 70.0))
    agree(declared, expected(pairs, 80))
    assert "range -10 to 70 (declared)" in declared["psnr"].protocol["data"]
    assert declared["mae"].value == measured["mae"].value


def test_floats_and_sixteen_bits_of_one_unit_are_compared(tmp_path: Path, cache: Path) -> None:
    pairs = depths(100)
    for index, (guess, truth) in enumerate(pairs):
        write(tmp_path / "pred" / f"{index}.npy", guess.astype(np.float32))
        write(tmp_path / "target" / f"{index}.png", truth)
    agree(scored(tmp_path, cache, data_range=(0.0, 8000.0)), expected(pairs, 8000))


def test_the_copy_row_has_the_sources_own_values(tmp_path: Path, cache: Path) -> None:
    pairs = depths(7)
    case(tmp_path, "tif", pairs)
    for index, (guess, _) in enumerate(pairs):
        write(tmp_path / "source" / f"{index}.tif", guess)
    agree(scored(tmp_path, cache, "copy", source=tmp_path / "source"), expected(pairs, 65535))


def test_ranges_that_cannot_be(tmp_path: Path, cache: Path) -> None:
    case(tmp_path / "eight", "png", [(np.zeros((32, 32), np.uint8),) * 2])
    with pytest.raises(UsageError, match=r"16-bit or float images with --data-range, found .* \(gray\)"):
        scored(tmp_path / "eight", cache, data_range=(0.0, 1.0))
    case(tmp_path / "flat", "npy", [(np.zeros((32, 32), np.float32),) * 2])
    with pytest.raises(UsageError, match=r"found 0 everywhere .*--data-range LOW,HIGH"):
        scored(tmp_path / "flat", cache)


def test_gray_and_colour_are_converted_when_asked_and_all_faults_are_said_at_once(
    tmp_path: Path, cache: Path
) -> None:
    truth = RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    case(tmp_path, "png", [(truth[..., 0], truth)])
    write(tmp_path / "pred" / "1.png", truth[:16])
    write(tmp_path / "target" / "1.png", truth)
    with pytest.raises(UsageError) as caught:
        scored(tmp_path, cache)
    for said in ("prediction images of one mode", "--as colour", "images of one size", "--size WIDTHxHEIGHT"):
        assert said in str(caught.value)
    (tmp_path / "pred" / "1.png").unlink()
    found = scored(tmp_path, cache, allow_missing=True, as_mode="colour")
    repeated = np.repeat(truth[..., :1], 3, axis=-1)
    agree(found, expected([(repeated, truth)], 255))
    gray = scored(tmp_path, cache, allow_missing=True, as_mode="gray")
    luminance = np.asarray(Image.fromarray(truth).convert("L"))
    agree(gray, {"mae": float(np.abs(truth[..., 0].astype(float) - luminance).mean())})


def test_floats_of_0_to_1_beside_sixteen_bits_are_refused(tmp_path: Path) -> None:
    truth = RNG.integers(0, 65536, (32, 32)).astype(np.uint16)
    write(tmp_path / "target" / "0.png", truth)
    write(tmp_path / "pred" / "0.npy", (truth / 65535).astype(np.float32))
    for folders in (("pred", "target"), ("target", "pred")):
        asked = ForeignRequest((tmp_path / folders[0],), target=tmp_path / folders[1])
        with pytest.raises(UsageError, match=r"found none above 1 in .*pred: multiply them"):
            gather(asked, FileHashes(tmp_path / "hashes.json"))

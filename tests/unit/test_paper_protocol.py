"""The paper's FCN score: preparation, histogram policies, its place in the segmentation metric, the check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from caffe_files import SMALL, caffemodel, fcn8s_weights
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from bench.cli.main import cli, invoke
from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.data.cards import load_card
from bench.data.open_dataset import open_dataset
from bench.data.types import SplitArrays
from bench.records.record import MetricResult
from bench.scoring.judges import external as adapters
from bench.scoring.judges import paper_fcn as paper
from bench.scoring.judges.base import NO_CLASS
from bench.scoring.judges.on_real_photos import constant_scores, judge_scores
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext
from bench.scoring.metrics.confusion import confusion_matrix
from bench.scoring.metrics.segmentation import SegmentationMetric
from bench.spec.scoring_choice import ScoringChoice, check_judge_choice

CITYSCAPES = load_card("cityscapes")
Ids = NDArray[np.uint8]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("caffe") / "small.caffemodel"
    path.write_bytes(caffemodel(fcn8s_weights(SMALL)))
    return path


def open_small(model: Path, *options: str) -> paper.PaperJudge:
    spec = ",".join([f"caffe:{model}", "label_size=48x96", *options])
    judge = adapters.open_adapter(spec, CITYSCAPES, "cpu")
    assert isinstance(judge, paper.PaperJudge)
    return judge


def released_fast_hist(truth: Ids, predicted: Ids, n: int) -> object:
    """What the released script does, step by step, on flat arrays."""
    inside = np.where((truth >= 0) & (truth < n))[0]
    counts = np.bincount(n * truth[inside].astype(int) + predicted[inside], minlength=n**2)
    return 0 if len(counts) != n**2 else counts.reshape(n, n)


# --- counting ----------------------------------------------------------------------------------------


def test_a_twentieth_output_falls_into_the_next_row() -> None:
    truth, predicted = np.array([[0, 0, 5, 255]], np.uint8), np.array([[0, 19, 19, 19]], np.uint8)
    counts = paper.released_confusion(truth, predicted, 19)
    assert counts[0, 0] == 1
    assert counts[1, 0] == 1  # the pixel of class 0
    assert counts[6, 0] == 1  # that of class 5
    assert counts.sum() == 3  # void is not counted


def test_an_image_where_it_meets_the_last_class_is_dropped_whole() -> None:
    truth = np.array([[0, 1, 2, 18]], np.uint8)
    assert paper.released_confusion(truth, np.array([[0, 1, 2, 18]], np.uint8), 19).sum() == 4
    assert paper.released_confusion(truth, np.array([[0, 1, 2, 19]], np.uint8), 19).sum() == 0


def test_counts_equal_the_released_function() -> None:
    rng = np.random.default_rng(0)
    for trial in range(200):
        truth = rng.choice(np.array([*range(19 - trial % 2), 255], np.uint8), (8, 9))
        predicted = rng.integers(0, 20, (8, 9)).astype(np.uint8)
        wanted = released_fast_hist(truth.ravel(), predicted.ravel(), 19)
        assert np.array_equal(paper.released_confusion(truth, predicted, 19), np.zeros((19, 19)) + wanted)


def test_policies_differ_in_the_twentieth_output_alone(model: Path) -> None:
    rng = np.random.default_rng(3)
    photos = torch.from_numpy(rng.integers(0, 256, (3, 3, 24, 24), dtype=np.uint8))
    labels = list(rng.integers(0, 18, (3, 24, 24)).astype(np.uint8))
    guarded = open_small(model, "policy=guarded").confusions(photos, labels)
    released = open_small(model).confusions(photos, labels)
    stray = guarded[:, :, 19]
    assert stray.sum() > 0
    moved = guarded[:, :, :19].copy()
    moved[:, 1:, 0] += stray[:, :-1]
    assert np.array_equal(released, moved)
    assert guarded.sum() == released.sum() == 3 * 48 * 96


# --- preparation -------------------------------------------------------------------------------------


def test_input_is_what_the_released_script_makes() -> None:
    photo = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    found = paper.network_input(photo, (20, 50))
    enlarged = np.array(Image.fromarray(photo).resize((50, 20), Image.Resampling.BILINEAR))
    wanted = np.array(enlarged, dtype=np.float32)[:, :, ::-1]
    wanted = wanted - np.array((72.78044, 83.21195, 73.45286), dtype=np.float32)
    assert found.dtype == np.float32
    assert np.array_equal(found[0], wanted.transpose(2, 0, 1))


def test_labels_of_another_size_take_the_nearest_pixel(model: Path) -> None:
    judge = open_small(model, "policy=guarded")
    photos = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (1, 3, 24, 24), dtype=np.uint8))
    labels = np.random.default_rng(3).integers(0, 19, (24, 24)).astype(np.uint8)
    large = labels.repeat(2, axis=0).repeat(4, axis=1)
    assert np.array_equal(judge.confusions(photos, [labels]), judge.confusions(photos, [large]))


def test_segments_at_the_images_own_size(model: Path) -> None:
    photos = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (2, 3, 24, 24), dtype=np.uint8))
    judge = open_small(model)
    ids = judge.segment(photos)
    assert ids.shape == (2, 24, 24)
    assert set(ids.unique().tolist()) <= {*range(19), NO_CLASS}
    assert torch.equal(ids[1:], judge.segment(photos[1:]))


# --- the door ----------------------------------------------------------------------------------------


def test_protocol_names_the_file_by_hash(model: Path) -> None:
    judge, guarded = open_small(model), open_small(model, "policy=guarded")
    assert judge.protocol["judge_file_sha256"] == sha256_file(model)[:16]
    assert judge.protocol["histogram"] == "released-unguarded"
    assert judge.protocol["label_size"] == "48x96"
    assert judge.hash != guarded.hash
    assert (
        adapters.identity(f"caffe:{model},policy=guarded")
        == f"caffe:{sha256_file(model)[:16]},policy=guarded"
    )


def test_expected_time_grows_with_the_label_size(model: Path) -> None:
    small = open_small(model)
    large = replace(small, options=paper.PaperOptions(label_size=(480, 960)))
    assert 0 < small.seconds_per_image() < large.seconds_per_image()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("policy=strict", "expected policy=released-unguarded or policy=guarded"),
        ("label_size=0x5", "expected label_size=HEIGHTxWIDTH"),
        ("label_size=99999x5", "expected label_size=HEIGHTxWIDTH"),
        ("mean=0", "expected each judge option once, of: label_size, policy"),
        ("policy=guarded,policy=guarded", "expected each judge option once"),
    ],
)
def test_options_are_checked_before_training(model: Path, options: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_judge_choice(ScoringChoice(judge=f"caffe:{model},{options}"))


def test_kind_and_file_are_checked_before_training(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown kind of judge 'coffee:': expected one of caffe:"):
        check_judge_choice(ScoringChoice(judge="coffee:weights"))
    with pytest.raises(UsageError, match="found no such file"):
        check_judge_choice(ScoringChoice(judge=f"caffe:{tmp_path / 'none.caffemodel'}"))
    with pytest.raises(UsageError, match="found nothing"):
        check_judge_choice(ScoringChoice(judge="caffe:"))


def test_other_classes_are_refused(model: Path) -> None:
    with pytest.raises(UsageError, match="expected the 19 classes of Cityscapes"):
        adapters.open_adapter(f"caffe:{model}", load_card("facades"), "cpu")


def test_other_numbers_of_outputs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(caffemodel(fcn8s_weights(SMALL, outputs=21)))
    with pytest.raises(UsageError, match="expected 20 outputs of layer score_fr"):
        open_small(path)


# --- in the metric -----------------------------------------------------------------------------------


def context_of(
    model: Path, labels: NDArray[np.uint8], photos: NDArray[np.uint8], *options: str
) -> ScoringContext:
    names = tuple(str(index) for index in range(len(labels)))
    card = replace(CITYSCAPES, class_policy="absent-left-out")
    return ScoringContext(
        card=card,
        size_px=24,
        target_role="photo",
        row="run",
        device="cpu",
        cache=model.parent,
        test=SplitArrays(names, photos, photos, labels, 0.0, "key"),
        judge=open_small(model, *options),
    )


@pytest.mark.parametrize("policy", ["released-unguarded", "guarded"])
def test_metric_sums_the_judges_own_matrices(model: Path, policy: str) -> None:
    rng = np.random.default_rng(5)
    photos = rng.integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    labels = rng.integers(0, 4, (5, 24, 24)).astype(np.uint8)
    context = context_of(model, labels, photos, f"policy={policy}")
    large = [ids.repeat(2, axis=0).repeat(4, axis=1) for ids in labels]
    context = replace(context, file_labels=lambda index: large[index])
    metric = SegmentationMetric(context)
    for part in (slice(0, 2), slice(2, 5)):
        metric.update(Batch(context.test.names[part], photos[part], photos[part], labels[part], part.start))
    results = {result.name: result for result in metric.compute().results}

    images = torch.from_numpy(photos).permute(0, 3, 1, 2)
    total = context.judge.confusions(images, large).sum(0)
    hits, rows, columns = np.diag(total), total.sum(1), total.sum(0)[:19]
    assert results["fcn_pixel_acc"].value == pytest.approx(hits.sum() / total.sum())
    assert results["fcn_class_acc"].value == pytest.approx((hits / np.maximum(rows, 1)).sum() / 19)
    assert results["fcn_class_iou"].value == pytest.approx(
        (hits / np.maximum(rows + columns - hits, 1)).sum() / 19
    )
    protocol = results["fcn_pixel_acc"].protocol
    assert protocol["class_policy"] == "absent-is-zero"  # the paper's, regardless of the card
    assert protocol["labels_found"] == "48x96"


def test_a_dropped_image_counts_nothing(model: Path) -> None:
    photos = np.random.default_rng(5).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    labels = np.zeros((2, 24, 24), np.uint8)
    labels[1] = 18  # the random network answers 19 somewhere
    context = context_of(model, labels, photos)
    metric = SegmentationMetric(context)
    metric.update(Batch(context.test.names, photos, photos, labels))
    output = metric.compute()
    assert np.isnan(output.per_image["fcn_pixel_acc"][1])
    assert np.isfinite(output.per_image["fcn_pixel_acc"][0])


def test_labels_come_as_large_as_their_files(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "val"):
        photo, marks = tmp_path / "leftImg8bit" / split / "a", tmp_path / "gtFine" / split / "a"
        photo.mkdir(parents=True)
        marks.mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photo / "a_0_0_leftImg8bit.png")
        ids = np.full((32, 64), 7, np.uint8)
        ids[:, 40:] = 33
        Image.fromarray(ids).save(marks / "a_0_0_gtFine_labelIds.png")
    dataset = open_dataset("cityscapes", root=tmp_path)
    labels = dataset.file_labels("test")(0)
    assert labels.shape == (32, 64)
    assert np.array_equal(labels, np.where(np.arange(64) < 40, 0, 18)[None].repeat(32, axis=0))


# --- the check ---------------------------------------------------------------------------------------


def results_of(*values: float) -> dict[str, MetricResult]:
    keys = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou")
    return {
        key: MetricResult(
            key, value, "max", 9, {"class_policy": "absent-is-zero"}, interval=(value - 0.01, value + 0.01)
        )
        for key, value in zip(keys, values, strict=True)
    }


TOTAL = confusion_matrix(np.repeat([0, 0, 1, 2], 25), np.repeat([0, 0, 1, 2], 25), 19)
NAMES = [info.name for info in CITYSCAPES.train_classes]


def fit(values: tuple[float, float, float], published: tuple[float, float, float] | None = None) -> bool:
    return judge_scores(results_of(*values), TOTAL, NAMES, published, MetricOutput([])).fit


def test_constant_answer_by_hand() -> None:
    assert constant_scores(TOTAL, 0, "absent-is-zero") == pytest.approx((0.5, 1 / 19, 0.5 / 19))
    assert constant_scores(TOTAL, 0, "absent-left-out") == pytest.approx((0.5, 1 / 3, 0.5 / 3))


def test_fit_means_well_beyond_the_constant_answer() -> None:
    assert fit((0.80, 0.26, 0.21))
    assert not fit((0.50, 0.053, 0.026))
    assert not fit((0.63, 0.26, 0.21))  # lower end 0.62, wanted 0.5 + 0.5 / 4
    assert not fit((0.80, 0.26, 0.12))  # lower end 0.11, wanted 0.026 + 0.974 / 10
    assert not fit((0.80, 0.05, 0.21))


def test_published_scores_must_be_near() -> None:
    assert fit((0.79, 0.27, 0.20), paper.PUBLISHED)
    assert not fit((0.86, 0.27, 0.20), paper.PUBLISHED)
    assert not fit((0.79, 0.27, 0.15), paper.PUBLISHED)


def test_published_scores_are_those_of_cityscapes_through_256_px(model: Path) -> None:
    judge = replace(open_small(model), options=paper.PaperOptions())
    assert judge.published(CITYSCAPES, 256) == (0.80, 0.26, 0.21)
    assert judge.published(CITYSCAPES, 128) is None
    assert judge.published(load_card("toycity"), 256) is None
    assert open_small(model).published(CITYSCAPES, 256) is None  # another label size


def test_random_weights_are_not_fit(model: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "judge",
        "check",
        "--dataset",
        "toycity",
        "--size",
        "32",
        "--test-limit",
        "4",
        "--threads",
        "1",
    ]
    code = invoke([*command, "--device", "cpu", "--judge", f"caffe:{model},label_size=32x64"])
    told = capsys.readouterr()
    assert code == 1
    assert "s an image, " in told.err  # before it starts
    assert "4 real test photos of toycity at 32 px" in told.out
    assert told.out.rstrip().splitlines()[-1].startswith("the judge is not fit: pixel accuracy")


def test_help_of_the_check() -> None:
    said = CliRunner().invoke(cli, ["judge", "check", "--help"]).output
    assert "--test-limit" in said
    assert "Exit code 0: it is fit" in said

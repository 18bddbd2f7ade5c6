"""Images that belong together, by name."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from bench.core.errors import UsageError
from bench.stages.imported.match import by_stem, images_of, label_of, marked, match, part_of, stems_of


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("file", "stem", "part"),
    [
        ("12_fake_B.png", "12", "prediction"),
        ("12_real_B.png", "12", "target"),
        ("12_real_A.png", "12", "source"),
        ("12_rec_A.png", "12", "other"),
        ("12.jpg", "12", None),
        ("aachen_000001_leftImg8bit.png", "aachen_000001", None),
        ("aachen_000001_gtFine_labelIds.png", "aachen_000001", "labels"),
        ("aachen_000001_leftImg8bit_synthesized_image.jpg", "aachen_000001", "prediction"),
        ("aachen_000001_gtFine_labelIds_input_label.jpg", "aachen_000001", "source"),
        ("12-outputs.png", "12", "prediction"),
        ("_fake_B.png", "_fake_B", "prediction"),  # nothing would be left
    ],
)
def test_endings_are_understood(file: str, stem: str, part: str | None) -> None:
    assert stems_of(Path(file).stem)[-1] == stem
    assert part_of(Path(file)) == part


def test_a_results_folder_of_the_released_code_holds_all_parts(tmp_path: Path) -> None:
    ends = ("_fake_B.png", "_real_B.png", "_real_A.png", "_rec_A.png")
    folder = touch(tmp_path, *(f"{n}{end}" for n in (2, 10, 1) for end in ends), "notes.txt")
    images = images_of(folder, "prediction", "")
    assert {stem: file.name for stem, file in by_stem(marked(images, "prediction")).items()} == {
        "1": "1_fake_B.png", "2": "2_fake_B.png", "10": "10_fake_B.png",
    }  # fmt: skip
    parts = {"target": marked(images, "target"), "source": marked(images, "source")}
    found = match({folder: images}, parts, allow_missing=False)
    assert found.names == ("1", "2", "10")
    assert [file.name for file in found.parts["source"]] == ["1_real_A.png", "2_real_A.png", "10_real_A.png"]
    assert found.left_out == ()


def test_extensions_do_not_matter_and_subfolders_are_searched(tmp_path: Path) -> None:
    guesses = touch(tmp_path / "guesses", "a_1.jpg", "b_2.JPG")
    labels = touch(
        tmp_path / "gtFine", "a/a_1_gtFine_labelIds.png", "a/a_1_gtFine_color.png",
        "b/b_2_gtFine_labelIds.png", "b/b_2_gtFine_instanceIds.png", "b/b_2_gtFine_color.png",
    )  # fmt: skip
    found = match(
        {guesses: images_of(guesses, "prediction", "")},
        {"labels": images_of(labels, "labels", "--labels")},
        allow_missing=False,
    )
    assert found.names == ("a_1", "b_2")
    assert all(file.name.endswith("labelIds.png") for file in found.parts["labels"])


def test_a_folder_named_for_targets_may_hold_predictions_of_another(tmp_path: Path) -> None:
    folder = touch(tmp_path, "1_fake_B.png", "2_fake_B.png")
    images = images_of(folder, "target", "--target")
    assert match({folder: images}, {"target": images}, allow_missing=False).names == ("1", "2")


def test_what_does_not_match_is_listed(tmp_path: Path) -> None:
    guesses = touch(tmp_path / "g", *(f"{n}.png" for n in range(7)))
    targets = touch(tmp_path / "t", "0.png", "1.png", "8.png")
    sides = {guesses: images_of(guesses, "prediction", "")}, {"target": images_of(targets, "target", "")}
    with pytest.raises(UsageError) as error:
        match(*sides, allow_missing=False)
    said = str(error.value)
    assert f"predictions in {guesses} lack 8" in said
    assert "target images lack 2, 3, 4 and 2 more" in said
    assert "the 2 in common by --allow-missing" in said
    found = match(*sides, allow_missing=True)
    assert found.names == ("0", "1")
    assert len(found.left_out) == 2


def test_nothing_in_common_is_refused_even_if_gaps_are_allowed(tmp_path: Path) -> None:
    guesses, targets = touch(tmp_path / "g", "a.png"), touch(tmp_path / "t", "b.png")
    sides = {guesses: images_of(guesses, "prediction", "")}, {"target": images_of(targets, "target", "")}
    with pytest.raises(UsageError, match=r"found none in common.*such as a.*such as b"):
        match(*sides, allow_missing=True)


@pytest.mark.parametrize("names", [("1.png", "1.jpg"), ("1_fake_B.png", "1_leftImg8bit_fake_B.png")])
def test_duplicate_stems_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    touch(tmp_path, *names)
    with pytest.raises(UsageError, match="one image a stem") as error:
        by_stem(images_of(tmp_path, "prediction", ""))
    assert all(name in str(error.value) for name in names)


def test_empty_and_absent_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected target images .*found none"):
        images_of(tmp_path, "target", "--target")
    with pytest.raises(UsageError, match=r"--target .*nowhere, found none"):
        images_of(tmp_path / "nowhere", "target", "--target")
    touch(tmp_path, "1_fake_B.png", "1_real_A.png")
    images = images_of(tmp_path, "target", "--target")
    with pytest.raises(UsageError, match=r"expected target images .*found 2 others such as .*1_fake_B.png"):
        match({tmp_path: images}, {"target": images}, allow_missing=False)


def test_names_of_rows(tmp_path: Path) -> None:
    assert label_of(Path("results/facades_l1/test_latest/images")) == "facades_l1"
    assert label_of(Path("my/images")) == "images"
    assert label_of(Path("some/images")) == "images"


def joined(predictions: Path, target: Path) -> dict[str, tuple[str, str]]:
    """Name -> prediction and target, relative to their folders."""
    found = match(
        {predictions: images_of(predictions, "prediction", "")},
        {"target": images_of(target, "target", "--target")},
        allow_missing=False,
    )
    pairs = zip(found.names, found.predictions[0], found.parts["target"], strict=True)
    return {n: (str(p.relative_to(predictions)), str(t.relative_to(target))) for n, p, t in pairs}


def test_equal_names_match_as_they_are_whatever_words_end_them(tmp_path: Path) -> None:
    names = ("wine_front", "wine_label", "gas_input", "gas_output", "dart_target", "x_pred", "y_real")
    for side in ("p", "t"):
        touch(tmp_path / side, *(f"{name}.png" for name in names))
    assert joined(tmp_path / "p", tmp_path / "t") == {n: (f"{n}.png", f"{n}.png") for n in sorted(names)}


def test_what_is_left_of_equal_names_is_matched_by_its_endings(tmp_path: Path) -> None:
    touch(tmp_path / "p", "wine_label.png", "gas_pred.png", "a_leftImg8bit.png")
    touch(tmp_path / "t", "wine_label.png", "gas_target.png", "a_leftImg8bit.jpg")
    assert joined(tmp_path / "p", tmp_path / "t") == {
        "a": ("a_leftImg8bit.png", "a_leftImg8bit.jpg"),
        "gas": ("gas_pred.png", "gas_target.png"),
        "wine_label": ("wine_label.png", "wine_label.png"),
    }


def test_names_of_two_unicode_forms_are_one(tmp_path: Path) -> None:
    for name in ("Stra\u00dfe_K\u00f6ln", "fa\u00e7ade", "\u304c"):
        touch(tmp_path / "p", f"{unicodedata.normalize('NFD', name)}.png")
        touch(tmp_path / "t", f"{unicodedata.normalize('NFC', name)}.png")
    assert len(joined(tmp_path / "p", tmp_path / "t")) == 3
    touch(tmp_path / "p", "fa\u00e7ade.png")
    with pytest.raises(UsageError, match=r"one image a stem, found .*\(NFD\) and .*\(NFC\) in .*p: rename"):
        joined(tmp_path / "p", tmp_path / "t")


@pytest.mark.parametrize(
    ("folders", "files"),
    [
        (("input", "output", "target"), ("output/0.png", "target/0.png")),
        (("input_label", "synthesized_image", "real_image"), ("synthesized_image/0.png", "real_image/0.png")),
    ],
)
def test_results_in_a_folder_for_each_part(
    tmp_path: Path, folders: tuple[str, ...], files: tuple[str, str]
) -> None:
    top = tmp_path / "results"
    inner = top / "facades" / "images"
    touch(inner, *(f"{folder}/{n}.png" for folder in folders for n in range(3)))
    images = images_of(top, "prediction", "")
    parts = {"target": marked(images, "target"), "source": marked(images, "source")}
    found = match({top: images}, parts, allow_missing=False)
    first = found.predictions[0][0], found.parts["target"][0], found.parts["source"][0]
    assert [str(file.relative_to(inner)) for file in first] == [*files, f"{folders[0]}/0.png"]
    assert found.names == ("0", "1", "2")


def test_equal_stems_in_several_folders_keep_their_folders(tmp_path: Path) -> None:
    for side in ("p", "t"):
        touch(tmp_path / side, *(f"{city}/{n:03d}.png" for city in ("bern", "ulm") for n in range(2)))
    found = joined(tmp_path / "p", tmp_path / "t")
    assert list(found) == ["bern_000", "bern_001", "ulm_000", "ulm_001"]
    assert found["ulm_001"] == ("ulm/001.png", "ulm/001.png")
    touch(tmp_path / "t", "bern/000.jpg")
    with pytest.raises(UsageError, match=r"found 000\.jpg and 000\.png in .*bern"):
        joined(tmp_path / "p", tmp_path / "t")


def test_the_results_of_a_model_without_pairs(tmp_path: Path) -> None:
    results = touch(tmp_path / "p", "0_real.png", "0_fake.png", "1_real.png", "1_fake.png")
    truth = touch(tmp_path / "t", "0.png", "1.png")
    assert joined(results, truth)["1"] == ("1_fake.png", "1.png")
    assert [image.file.name for image in marked(images_of(results, "source", ""), "source")] == [
        "0_real.png", "1_real.png",
    ]  # fmt: skip


def test_official_label_folders_are_targets_as_they_are_downloaded(tmp_path: Path) -> None:
    guesses = touch(tmp_path / "p", "bonn_1.png")
    ends = ("labelIds", "instanceIds", "color", "labelTrainIds")
    truth = touch(tmp_path / "gtFine", *(f"bonn/bonn_1_gtFine_{end}.png" for end in ends))
    assert joined(guesses, truth)["bonn_1"] == ("bonn_1.png", "bonn/bonn_1_gtFine_labelIds.png")
    found = match(
        {guesses: images_of(guesses, "prediction", "")},
        {"target": images_of(truth, "target", "")},
        allow_missing=False,
        train_ids=True,
    )
    assert found.parts["target"][0].name == "bonn_1_gtFine_labelTrainIds.png"

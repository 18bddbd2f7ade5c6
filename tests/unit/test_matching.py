"""Images that belong together, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.core.errors import UsageError
from bench.run.imported.match import images_of, label_of, marked, match, part_of, stem_of


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
    assert stem_of(Path(file)) == stem
    assert part_of(Path(file)) == part


def test_a_results_folder_of_the_released_code_holds_all_parts(tmp_path: Path) -> None:
    ends = ("_fake_B.png", "_real_B.png", "_real_A.png", "_rec_A.png")
    folder = touch(tmp_path, *(f"{n}{end}" for n in (2, 10, 1) for end in ends), "notes.txt")
    assert {s: f.name for s, f in images_of(folder, "prediction", "").items()} == {
        "1": "1_fake_B.png", "2": "2_fake_B.png", "10": "10_fake_B.png",
    }  # fmt: skip
    parts = {"target": marked(folder, "target"), "source": marked(folder, "source")}
    found = match({folder: images_of(folder, "prediction", "")}, parts, allow_missing=False)
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
    assert set(images_of(folder, "target", "--target")) == {"1", "2"}


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
        images_of(tmp_path, "prediction", "")
    assert all(name in str(error.value) for name in names)


def test_empty_and_absent_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected target images .*found none"):
        images_of(tmp_path, "target", "--target")
    with pytest.raises(UsageError, match=r"--target .*nowhere, found none"):
        images_of(tmp_path / "nowhere", "target", "--target")
    touch(tmp_path, "1_fake_B.png", "1_real_A.png")
    with pytest.raises(UsageError, match=r"expected target images .*found 2 others such as 1_fake_B.png"):
        images_of(tmp_path, "target", "--target")


def test_names_of_rows(tmp_path: Path) -> None:
    assert label_of(Path("results/facades_l1/test_latest/images")) == "facades_l1"
    assert label_of(Path("my/images")) == "images"
    assert label_of(Path("some/images")) == "images"

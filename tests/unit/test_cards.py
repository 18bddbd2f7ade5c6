"""Cards: what they say, and what is refused in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from bench.core import plugins
from bench.core.errors import UsageError
from bench.data.cards import card_names, load_card, read_card
from bench.data.palette import decode_colours, file_values, nearest_class, paint, value_tables
from bench.data.types import VOID

BUILT_IN = ["cityscapes", "edges2handbags", "edges2shoes", "facades", "maps", "night2day", "toycity"]
LEAVES = """
name = "leaves"
title = "Leaves"
version = "1"
licence = "own"
homepage = ""
domains = ["photo", "labels"]
roles = ["photo", "labels"]
direction = "labels2photo"
layouts = ["folders"]
size_px = 64
how_to_get = "grow them"
classes = [
  { name = "leaf", colour = [0, 128, 0], train_id = 0, id = 1 },
  { name = "soil", colour = [90, 60, 20], train_id = 1, id = 2 },
  { name = "unknown", colour = [0, 0, 0], id = 0 },
]
[splits]
train = "train"
test = "test"
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Any]:
    def write(text: str) -> Path:
        path = tmp_path / "leaves.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_every_built_in_card_loads_under_its_own_name() -> None:
    assert card_names() == BUILT_IN
    assert [load_card(name).name for name in BUILT_IN] == BUILT_IN


def test_cityscapes_palette_holds_the_19_classes_and_the_void_ones() -> None:
    card = load_card("cityscapes")
    assert [c.name for c in card.train_classes][:3] == ["road", "sidewalk", "building"]
    assert len(card.train_classes) == 19
    assert {c.id for c in card.classes} == set(range(34))
    assert sum(c.train_id is None for c in card.classes) == 15
    assert card.class_policy == "absent-is-zero"
    assert load_card("facades").class_policy == "absent-left-out"


def test_toycity_has_the_colours_of_cityscapes() -> None:
    toy, city = load_card("toycity"), load_card("cityscapes")
    assert [(c.name, c.colour) for c in toy.train_classes] == [(c.name, c.colour) for c in city.train_classes]
    assert (toy.splits, toy.size_px) == ({"train": 400, "test": 100}, 64)


@pytest.mark.parametrize("name", ["facades", "maps", "edges2shoes", "edges2handbags", "night2day"])
def test_no_hash_is_invented(name: str) -> None:
    (entry,) = load_card(name).urls
    assert entry.url.endswith(f"/pix2pix/datasets/{name}.tar.gz")
    assert entry.sha256 is None
    assert all(file.sha256 is None for mirror in load_card(name).mirrors for file in mirror.urls)


# Checked by hand: the host in the download scripts of phillipi/pix2pix (datasets/download_dataset.sh) and of
# pytorch-CycleGAN-and-pix2pix (datasets/download_pix2pix_dataset.sh); huggan/* at Hugging Face is a copy that
# the HugGAN examples of Hugging Face's community-events train on.
HOSTS = {"efrosgans.eecs.berkeley.edu": "/pix2pix/datasets/", "huggingface.co": "/datasets/huggan/"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_address_is_on_a_host_that_was_checked(name: str) -> None:
    card = load_card(name)
    addresses = [entry.url for place in (card, *card.mirrors) for entry in place.urls]
    for address in addresses:
        parts = urlsplit(address)
        assert parts.hostname in HOSTS, address
        assert parts.path.startswith(HOSTS[parts.hostname]), address
        assert name in parts.path
    assert len(set(addresses)) == len(addresses)
    assert bool(addresses) == (name not in ("cityscapes", "toycity"))
    for mirror in card.mirrors:  # a mirror at a branch would change under a run
        commits = {re.search(r"/resolve/([0-9a-f]{40})/", entry.url) for entry in mirror.urls}
        assert None not in commits
        assert mirror.differs


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'cityscapes'.*bench list datasets"):
        load_card("citiscapes")


def test_card_file_reads_back(written: Any) -> None:
    card = read_card(written(LEAVES))
    assert card.domains == ("photo", "labels")
    assert [c.colour for c in card.train_classes] == [(0, 128, 0), (90, 60, 20)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "Leaves"', 'title = "Leaves"\ncolour = 3', "unknown key 'colour'"),
        ('version = "1"', "", "expected the key 'version'"),
        ("id = 0 }", "number = 0 }", "classes.2.: unknown key 'number'"),
        ("[0, 128, 0]", "[0, 128]", "colour"),
        ("[0, 128, 0]", "[0, 128, 300]", "colour"),
        ("train_id = 1", "train_id = 2", "without gaps"),
        ("id = 2", "id = 1", "each id once"),
        ("[90, 60, 20]", "[0, 128, 0]", "colour to be another for each train_id"),
        ('"labels2photo"', '"photo2label"', "labels2photo, found 'photo2label'"),
        ('["folders"]', '["zip"]', "layouts"),
        ('["photo", "labels"]\ndirection', '["photo", "map"]\ndirection', "roles"),
        ('["photo", "labels"]\ndirection', '["photo", "image"]\ndirection', "palette"),
        ('test = "test"', "", "train and test"),
        ("size_px = 64", 'size_px = "64"', "size_px"),
        ('homepage = ""', 'homepage = ""\nclass_policy = "none"', "class_policy"),
        ("[splits]", "[options]\nfolds = 3\n[splits]", "options: unknown key 'folds'"),
        ("[splits]", "[options.training]\nepochs = 0\n[splits]", "epochs"),
        ("[splits]", "[options.training]\nlr = 1\n[splits]", "options.training: unknown key 'lr'"),
        ("size_px = 64", 'size_px = 64\nurls = [{ url = "u", md5 = "x" }]', "urls.0.: unknown key 'md5'"),
        ("size_px = 64", "size_px = ", "TOML"),
    ],
)
def test_a_card_that_does_not_hold_names_file_and_key(written: Any, old: str, new: str, said: str) -> None:
    assert old in LEAVES
    with pytest.raises(UsageError, match=said) as caught:
        read_card(written(LEAVES.replace(old, new)))
    assert "leaves.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_without_a_train_id_are_all_void_and_refused(written: Any) -> None:
    without = re.sub(r"train_id = \d+, ", "", LEAVES)
    assert without != LEAVES
    with pytest.raises(UsageError, match="train_id to be one for each class that is not void, found 'none'"):
        read_card(written(without))


def test_a_card_of_a_windows_editor_is_read(written: Any) -> None:
    assert read_card(written("\ufeff" + LEAVES)) == read_card(written(LEAVES))


def test_cards_plug_in() -> None:
    card = replace(load_card("maps"), name="plugged-maps")
    plugins.register("cards", "plugged-maps", card)
    try:
        assert "plugged-maps" in card_names()
        assert load_card("plugged-maps") is card
    finally:
        plugins._registered["cards"].pop("plugged-maps")


def test_decoding_takes_the_nearest_colour_up_to_distance_30() -> None:
    card = load_card("toycity")
    road = np.array(card.train_classes[0].colour, np.int64)  # 128, 64, 128
    at_30, beyond = np.add(road, (0, -18, 24)), np.add(road, (0, -18, 25))
    pixels = np.array([[road, at_30], [beyond, [0, 0, 0]]], np.uint8)
    assert decode_colours(pixels, card).tolist() == [[0, 0], [VOID, VOID]]
    assert nearest_class(pixels, card)[1, 0] == 0


def test_void_colours_of_the_palette_are_void_however_near() -> None:
    card = load_card("cityscapes")
    dynamic = np.array([[111, 74, 0]], np.uint8)
    assert decode_colours(dynamic, card).tolist() == [VOID]
    assert nearest_class(dynamic, card)[0] < 19


@pytest.mark.parametrize("name", ["cityscapes", "facades", "toycity"])
def test_painting_and_decoding_are_inverse(name: str) -> None:
    card = load_card(name)
    ids = np.arange(len(card.train_classes), dtype=np.uint8).reshape(1, -1)
    assert np.array_equal(decode_colours(paint(ids, card), card), ids)
    assert np.array_equal(nearest_class(paint(ids, card), card), ids)
    assert paint(np.full((2, 2), VOID, np.uint8), card).sum() == 0


def test_nearest_agrees_with_brute_force() -> None:
    card = load_card("facades")
    pixels = np.random.default_rng(5).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    colours = np.array([c.colour for c in card.classes], np.int64)
    squared = ((pixels[..., None, :].astype(np.int64) - colours) ** 2).sum(-1)
    expected = squared.argmin(-1)
    assert np.array_equal(nearest_class(pixels, card), expected)
    expected[squared.min(-1) > 900] = VOID
    assert np.array_equal(decode_colours(pixels, card), expected)


def test_label_values_without_ids_are_train_ids() -> None:
    train_ids, colours, known = value_tables(file_values(load_card("toycity")))
    assert np.flatnonzero(known).tolist() == [*range(19), 255]
    assert train_ids[:19].tolist() == list(range(19))
    assert (train_ids[255], colours[255].tolist()) == (VOID, [0, 0, 0])

"""TOML and JSON of others: too large, too deep, no files, paths that lead elsewhere, names that are none."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from baselines.settings import TestSettings, TrainingSettings
from baselines.variants import parse_variant
from bench.core.documents import MAX_JSON_BYTES, MAX_TOML_BYTES, DocumentError, read_json, read_toml
from bench.core.errors import UsageError
from bench.data.cards import make_card, read_card
from bench.records import record as records
from bench.records.record import GalleryFiles, RunRecord, read_record, write_record
from bench.spec.run_spec import DataSpec, RunSpec
from bench.spec.variants import read_variants

CARD: dict[str, Any] = {
    "name": "mine", "title": "Mine", "version": "1", "licence": "none", "homepage": "", "size_px": 64,
    "domains": ["a", "b"], "roles": ["image", "image"], "direction": "a2b", "layouts": ["pairs"],
    "how_to_get": "ask", "splits": {"train": "train", "test": "test"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "9" * 5000, "digits"),
        ("a = " + "[" * 100_000, "recursion|nesting"),
        (".".join("a" * 300) + " = 1", "more than 200 dots"),
        ("[" + ".".join("a" * 300) + "]", "more than 200 dots"),
        ("a = 1 #" + "x" * MAX_TOML_BYTES, "more than 262,144 bytes"),
        ("a = \udcff", "utf-8"),
    ],
    ids=["digits", "nesting", "dotted key", "dotted table", "size", "bytes"],
)
def test_toml_that_costs_too_much(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    began = time.process_time()
    with pytest.raises(DocumentError, match=said):
        read_toml(tmp_path / "x.toml")
    for read in (read_card, read_variants):
        with pytest.raises(UsageError) as caught:
            read(tmp_path / "x.toml")
        assert str(caught.value).isprintable()
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text", ["9" * 5000, "[" * 10**6, '{"a":' * 10**5, '"\\ud800', "[]" + " " * MAX_JSON_BYTES]
)
def test_json_that_costs_too_much(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DocumentError):
        read_json(tmp_path / "x.json")
    with pytest.raises(UsageError, match=r"x\.json"):
        read_record(tmp_path / "x.json")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda place: place.symlink_to(place.name)])
def test_what_is_no_file_does_not_block(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "x")
    ended = threading.Event()

    def use() -> None:
        for read in (read_json, read_toml):
            with pytest.raises(DocumentError):
                read(tmp_path / "x")
        ended.set()

    threading.Thread(target=use, daemon=True).start()
    assert ended.wait(5)


@pytest.mark.parametrize(
    "change",
    [
        {"splits": {"train": "../up", "test": "test"}}, {"splits": {"train": "/etc", "test": "test"}},
        {"splits": {"train": "a/../../b", "test": "test"}}, {"splits": {"train": ["ok", "C:\\x"],
        "test": "t"}},
        {"splits": {"train": 5, "test": "test"}}, {"splits": {"train": [], "test": "test"}}, {"splits": []},
        {"domains": ["../a", "b"], "direction": "../a2b"}, {"name": "../x"}, {"name": "a\nb"}, {"name": ""},
        {"classes": 5}, {"classes": [5]}, {"urls": 5}, {"urls": [{"url": 5}]},
        {"urls": [{"url": "https://x/y", "sha256": "short"}]}, {"size_px": True}, {"size_px": 10**9},
        {"options": {"cmp_fold": 0}}, {"options": {"cmp_fold": -1}},
        {"options": {"training": {"epochs": True}}},
        {"options": {"training": {"epochs": float("nan")}}}, {"unknown": 1}, {"title": 5},
        {"roles": [[], []]},
    ],
    ids=str,
)  # fmt: skip
def test_cards_that_lead_elsewhere_or_lie(change: dict[str, Any]) -> None:
    make_card(CARD)
    with pytest.raises(ValueError, match="expected"):
        make_card({**CARD, **change})


@pytest.mark.parametrize(
    "table",
    [
        "lambda_l1 = 1" + "0" * 400, "lambda_l1 = [1]", "lambda_l1 = true", "dropout = nan",
        "receptive_field = inf",
        "receptive_field = 7.5", "unknown = 1", "generator = 5", "base = 5", "name = 'x'",
        "lambda_l1 = -inf",
    ],
)  # fmt: skip
def test_variants_that_cannot_be(tmp_path: Path, table: str) -> None:
    (tmp_path / "v.toml").write_text(f"[variants.mine]\n{table}\n")
    with pytest.raises(UsageError) as caught:
        read_variants(tmp_path / "v.toml")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["pix2pix", "encdec:gan", "l1/70", "l1+cgan/142", "", "a,b", "x" * 81, "a\u0007"]
)
def test_names_that_a_variant_cannot_have(tmp_path: Path, name: str) -> None:
    (tmp_path / "v.toml").write_text(f"[variants.{json.dumps(name)}]\nlambda_l1 = 5\n")
    with pytest.raises(UsageError, match=r"built-in|names of 1 to 80"):
        read_variants(tmp_path / "v.toml")


@pytest.mark.parametrize("place", [("data", "name"), ("data", "train_n"), ("training", "size_px"), ("seed",)])
@pytest.mark.parametrize("value", [{}, [], None, {"a": []}], ids=str)
def test_run_specs_with_fields_of_another_kind(place: tuple[str, ...], value: Any) -> None:
    data = DataSpec("d", "a2b", "paired", 5, 5, "x", "y")
    settings = TrainingSettings(steps=1, size_px=32)
    content: Any = RunSpec(data, parse_variant("l1"), 0, settings, TestSettings()).to_dict()
    assert RunSpec.from_dict(content).to_dict() == content
    inner = content if len(place) == 1 else content[place[0]]
    inner[place[-1]] = value
    if value is not None or place != ("data", "train_n"):  # null is a number's absence there
        with pytest.raises(ValueError, match=r"no run spec|expected"):
            RunSpec.from_dict(content)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/x", "..", ".x", "", "a\\b", "a\nb", "x" * 300, 5])
def test_ids_that_are_no_file_names(tmp_path: Path, name: Any) -> None:
    spec = {"data": {"name": "d", "direction": "a2b"}}
    record = RunRecord("fine", "run", "l1", spec, "finished", gallery=GalleryFiles((), None, "s", "t"))
    path = write_record(tmp_path, record)
    assert read_record(path) == record
    path.write_text(json.dumps({**asdict(record), "id": name}))
    with pytest.raises(UsageError, match=r"id: expected (a plain file name|text)"):
        read_record(path)
    assert records.per_image_path(tmp_path, replace(record, id="fine").id).parent == tmp_path / "records"

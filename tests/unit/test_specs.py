"""From names and flags to runs: stable hashes, grids, sweeps, suites, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baselines.settings import TestSettings, TrainingSettings
from baselines.variants import parse_variant
from bench.core.errors import UsageError
from bench.spec.expand import TRAINING_FIELDS, parse_sets, resolve_grid
from bench.spec.run_spec import DataSpec, RunSpec, StepChoice, slug
from bench.spec.suites import get_suite
from bench.spec.variants import get_variant, read_variants

DATA = DataSpec("toycity", "labels2photo", "paired", 400, 100, "aaaa", "bbbb")
TRAINING: dict[str, Any] = {"steps": 100, "size_px": 64, "batch_size": 1}


def spec(name: str = "l1", seed: int = 0, **training: Any) -> RunSpec:
    settings = TrainingSettings(**{**TRAINING, **training})
    return RunSpec(DATA, parse_variant(name), seed, settings, TestSettings())


def grid(
    names: Sequence[str], seeds: Sequence[int] = (0,), sets: Sequence[str] = (), **training: Any
) -> list[RunSpec]:
    fields = {**TRAINING, **training}
    epochs = fields.pop("epochs", None)
    if epochs is not None:
        del fields["steps"]
    variants = [get_variant(name) for name in names]
    return resolve_grid(DATA, variants, seeds, fields, TestSettings(), parse_sets(sets), epochs)


def test_the_hash_is_pinned() -> None:
    """Finished runs are found by their hash: if it changes, every output folder trains again."""
    assert spec().hash == "d0eb979cdc09"
    assert spec("l1+cgan", seed=3).id == "toycity-l1+cgan-s3-e6dce854d53c"


def test_the_hash_is_the_same_in_another_process() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_specs; print(test_specs.spec().hash)"
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == spec().hash


def test_every_field_counts_but_words_do_not() -> None:
    base = spec("l1+cgan")
    others = [
        replace(base, seed=1),
        replace(base, data=replace(DATA, train_fingerprint="cccc")),
        replace(base, data=replace(DATA, test_n=50)),
        replace(base, data=replace(DATA, val_n=50, val_fingerprint="dddd")),
        replace(base, choice=StepChoice("ssim", 10, 50, "dddd")),
        replace(base, choice=StepChoice("mae", 10, 50, "dddd")),
        replace(base, choice=StepChoice("ssim", 20, 50, "dddd")),
        replace(base, choice=StepChoice("ssim", 10, 50, "eeee")),
        replace(base, test=TestSettings(dropout=False)),
        replace(base, training=replace(base.training, lr=1e-4)),
        replace(base, training=replace(base.training, precision="fp32")),
        replace(base, variant=base.variant.with_fields({"lambda_l1": 10})),
    ]
    assert len({run.hash for run in (base, *others)}) == len(others) + 1
    renamed = replace(base, variant=replace(base.variant, name="mine", source="me"), swept=("lr",))
    assert renamed.hash == base.hash


def test_a_field_that_came_later_is_left_out_at_its_default() -> None:
    first = {"generator", "adversarial", "receptive_field", "lambda_l1", "lambda_gan", "dropout", "norm"}
    assert set(spec("l1+cgan").to_dict()["variant"]) == first | {"name", "source"}
    released = replace(spec(), variant=parse_variant("l1").with_fields({"dropout_at": "released"}))
    assert released.to_dict()["variant"]["dropout_at"] == "released"
    assert released.hash != spec().hash
    assert RunSpec.from_dict(released.to_dict()).hash == released.hash


def test_a_spec_is_plain_json_with_what_records_read() -> None:
    content = spec().to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert set(content) == {"data", "variant", "seed", "training", "test"}


def test_a_spec_that_is_read_has_the_hash_that_it_was_written_with() -> None:
    """Whole numbers stay whole: 10 and 10.0 are two texts, and the hash is over the text."""
    for variant in (parse_variant("l1+cgan"), replace(parse_variant("l1+cgan"), name="mine", lambda_l1=10)):
        run = replace(spec(lr=1, beta1=0), variant=variant)
        assert RunSpec.from_dict(json.loads(json.dumps(run.to_dict()))).hash == run.hash


def test_ids_are_safe_file_names() -> None:
    (run,) = grid(["encdec:l1+cgan/16"], sets=["lambda_l1=10"])
    assert re.fullmatch(r"[A-Za-z0-9+_.-]+", run.id)
    assert slug("../a b/c") == "a-b-c"
    assert slug("...") == "x"
    assert len(slug("x" * 500)) == 60


def test_a_grid_is_sweeps_by_variants_by_seeds_each_once() -> None:
    runs = grid(["l1", "pix2pix", "l1+cgan"], seeds=[0, 1])
    assert [(run.label, run.seed) for run in runs] == [("l1", 0), ("l1", 1), ("l1+cgan", 0), ("l1+cgan", 1)]
    runs = grid(["l1+cgan"], sets=["lambda_l1=1,10,100", "norm=batch,instance"])
    assert [run.label for run in runs] == [
        "l1+cgan[lambda_l1=1]", "l1+cgan[lambda_l1=1,norm=instance]", "l1+cgan[lambda_l1=10]",
        "l1+cgan[lambda_l1=10,norm=instance]", "l1+cgan", "l1+cgan[norm=instance]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("assignment", "values"),
    [
        ("steps=10,20", [10, 20]), ("size_px=32,64", [32, 64]), ("batch_size=1,4", [1, 4]),
        ("base_filters=8,16", [8, 16]), ("lr=1e-4,2e-4", [1e-4, 2e-4]), ("beta1=0,0.5", [0.0, 0.5]),
        ("weight_decay=0.0,1e-05", [0.0, 1e-5]),
        ("beta2=0.9,0.99", [0.9, 0.99]), ("lr_schedule=constant,linear", ["constant", "linear"]),
        ("jitter=true,false", [True, False]), ("mirror=True,False", [True, False]),
        ("precision=fp32,bf16", ["fp32", "bf16"]), ("engine=eager", ["eager"]), ("levels=5", [5]),
        ("size_px=64,64x32", [64, "64x32"]),
        ("ema=0.0,0.999", [0.0, 0.999]),
        (f"init_from=sha256:{'a' * 16}", [f"sha256:{'a' * 16}"]),
    ],
)  # fmt: skip
def test_every_training_field_can_be_swept_and_is_said(assignment: str, values: list[Any]) -> None:
    field = assignment.partition("=")[0]
    runs = grid(["l1"], sets=[assignment])
    assert [getattr(run.training, field) for run in runs] == values
    if len(values) > 1:
        assert [run.label for run in runs] == [f"l1[{field}={value}]" for value in values]
        assert len({run.id for run in runs}) == len(runs)


def test_all_training_fields_are_covered_above() -> None:
    swept = test_every_training_field_can_be_swept_and_is_said.pytestmark[0].args[1]
    assert {entry[0].partition("=")[0] for entry in swept} == set(TRAINING_FIELDS)


@pytest.mark.parametrize(
    ("epochs", "batch_size", "steps"),
    [(1, 1, 400), (2, 10, 80), (0.5, 3, 67), (1e-9, 1, 1), (200, 1, 80_000)],
)
def test_epochs_become_whole_steps_rounded_up(epochs: float, batch_size: int, steps: int) -> None:
    (run,) = grid(["l1"], epochs=epochs, batch_size=batch_size)
    assert run.training.steps == steps


def test_full_is_resolved_at_each_size_of_a_sweep() -> None:
    runs = grid(["imagegan"], sets=["size_px=32,64,128"])
    assert [run.variant.receptive_field for run in runs] == [34, 70, 142]


@pytest.mark.parametrize(
    "sets",
    [
        ["lambda_l1"], ["lambda_l1="], ["lambda_l1=1,,2"], ["=1"], ["lamda_l1=1"], ["name=x"],
        ["lr=1", "lr=2"], ["lr=fast"], ["lr=nan"], ["lr=inf"], ["lr=0"], ["jitter=yes"], ["size_px=31"],
        ["size_px=64x"], ["size_px=native"], ["levels=4"], ["levels=7"],
        ["batch_size=0"], ["steps=1.5"], ["precision=fp16"], ["lambda_l1=nan"], ["dropout=1"],
        ["receptive_field=142"], ["receptive_field=71"], ["adversarial=none"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("duration", [{"steps": 10}, {"epochs": 1}])
def test_sets_that_do_not_fit_are_one_line(sets: list[str], duration: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        grid(["l1+cgan"], sets=sets, **{"size_px": 32, **duration})
    assert "\n" not in str(caught.value)
    assert any(
        word in str(caught.value) for word in ("expected", "unknown", "cannot be built", "given twice")
    )


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'pix2pix'.*bench list variants"):
        get_variant("pix2pixx")
    with pytest.raises(UsageError, match="did you mean 'losses'"):
        get_suite("loses")
    with pytest.raises(UsageError, match="did you mean 'lambda_l1'"):
        parse_sets(["lamda_l1=1"])
    with pytest.raises(UsageError, match="no discriminator"):
        get_variant("l1/70")


@pytest.mark.parametrize(
    ("suite", "labels", "batch_size", "direction"),
    [
        ("losses", ["l1", "gan", "cgan", "l1+gan", "l1+cgan"], 1, "labels2photo"),
        ("generators", ["encdec:l1", "encdec:l1+cgan", "l1", "l1+cgan"], 10, "labels2photo"),
        ("receptive-field", ["l1+cgan/1", "l1+cgan/16", "l1+cgan", "l1+cgan/286"], 1, "labels2photo"),
        ("photo2labels", ["l1", "cgan", "l1+cgan"], 1, "photo2labels"),
    ],
)
def test_suites_are_the_tables_of_the_paper(
    suite: str, labels: list[str], batch_size: int, direction: str
) -> None:
    found = get_suite(suite)
    assert (found.dataset, found.direction, found.batch_size) == ("cityscapes", direction, batch_size)
    assert [run.label for run in grid(found.variants, size_px=256)] == labels
    assert re.fullmatch(r"Isola et al. 2017, table [1236]", found.source)


def declare(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return dict(read_variants(path))


def test_a_new_variant_is_a_few_lines_of_toml(tmp_path: Path) -> None:
    declared = declare(
        tmp_path,
        '[variants.soft]\nbase = "l1+cgan"\nlambda_l1 = 10\n'
        '[variants.softer]\nbase = "soft"\ngenerator = "encdec"\nreceptive_field = 16\n[variants.plain]\n',
    )
    assert declared["soft"].lambda_l1 == 10.0
    assert (declared["softer"].lambda_l1, declared["softer"].generator) == (10.0, "encdec")
    assert (declared["softer"].receptive_field, declared["softer"].name) == (16, "softer")
    assert declared["softer"].source == "declared in mine.toml"
    assert get_variant("soft", declared) is declared["soft"]
    assert replace(declared["plain"], name="l1+cgan", source="") == replace(
        parse_variant("l1+cgan"), source=""
    )


@pytest.mark.parametrize(
    "text",
    [
        "variants", "", "[variant.x]\n", "variants = 3\n", "[variants]\nx = 1\n",
        '[variants.x]\nbase = "l2"\n',
        "[variants.x]\nlambda = 1\n", "[variants.x]\nlambda_l1 = -1\n", "[variants.x]\nlambda_l1 = nan\n",
        "[variants.x]\nreceptive_field = 70.5\n", "[variants.x]\nlambda_l1 = [1, 2]\n",
        '[variants.x]\nname = "y"\n',
    ],
)  # fmt: skip
def test_declarations_that_do_not_hold_are_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        declare(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_variant_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        read_variants(tmp_path / "none.toml")


def test_importing_specs_imports_no_torch() -> None:
    code = "import sys, bench.spec.run_spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_points_of_the_project_can_be_found() -> None:
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    from bench.core import plugins

    for group in ("metrics", "judges"):
        assert set(declared["entry-points"][f"pix2pix_bench.{group}"]) <= set(plugins.names(group))

"""From what a user asks for to runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.core.errors import UsageError
from bench.spec.given import data_roots, parse_seeds
from bench.spec.grid import GridRequest, resolve

TOY = GridRequest(variants=("l1", "l1+cgan"), datasets=("toycity",))


def test_defaults_come_from_the_card(cache: Path) -> None:
    (plan,) = resolve(TOY)
    assert [run.label for run in plan.runs] == ["l1", "l1+cgan"]
    training = plan.runs[0].training
    assert (training.size_px, training.batch_size, training.base_filters) == (64, 1, 16)
    assert training.steps == plan.dataset.card.options.training.epochs * 400


def test_flags_win_over_the_card(cache: Path) -> None:
    asked = replace(TOY, epochs=0.5, batch_size=8, base_filters=4, size_px=32, seeds=(0, 3), train_limit=81)
    (plan,) = resolve(asked)
    assert len(plan.runs) == 4
    training = plan.runs[-1].training
    assert (training.size_px, training.batch_size, training.base_filters) == (32, 8, 4)
    assert training.steps == 6  # half of 81 pairs, eight a step, rounded up
    assert plan.data.train_n == 81
    assert resolve(replace(TOY, train_limit=1000))[0].data.train_n == 400


def test_suite_brings_variants_batch_and_direction(cache: Path) -> None:
    generators = resolve(GridRequest(suite="generators", datasets=("toycity",)))[0]
    assert {run.training.batch_size for run in generators.runs} == {10}
    assert [run.label for run in generators.runs] == ["encdec:l1", "encdec:l1+cgan", "l1", "l1+cgan"]
    labels = resolve(GridRequest(suite="photo2labels", datasets=("toycity",)))[0]
    assert labels.data.direction == "photo2labels"


def test_suite_takes_the_direction_a_data_set_has(tmp_path: Path, cache: Path, write_pairs) -> None:  # type: ignore[no-untyped-def]
    write_pairs(tmp_path / "mine", {"train": 3, "test": 2}, size_px=32)
    asked = GridRequest(
        suite="losses", datasets=("mine",), data_roots=(str(tmp_path / "mine"),), size_px=32, epochs=1
    )
    assert resolve(asked)[0].data.direction == "source2target"


def test_aliases_are_one_run(cache: Path) -> None:
    (plan,) = resolve(replace(TOY, variants=("pix2pix", "l1+cgan", "l1+cgan/70")))
    assert [run.label for run in plan.runs] == ["l1+cgan"]


def test_names_that_mean_one_run_at_a_size_are_told(cache: Path) -> None:
    (run,) = resolve(replace(TOY, variants=("l1+cgan", "imagegan")))[0].runs
    assert (run.label, run.also) == ("l1+cgan", ("imagegan",))
    (alone,) = resolve(replace(TOY, variants=("imagegan",)))[0].runs
    assert (alone.label, alone.also, alone.hash) == ("l1+cgan", ("imagegan",), run.hash)


def test_a_swept_receptive_field_is_named_as_resolved(cache: Path) -> None:
    asked = replace(TOY, variants=("l1+cgan",), sets=("receptive_field=16,full",), size_px=128)
    labels = [run.label for run in resolve(asked)[0].runs]
    assert labels == ["l1+cgan[receptive_field=16]", "l1+cgan[receptive_field=142]"]


def test_built_in_names_cannot_be_declared_anew(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "v.toml").write_text("[variants.l1]\nlambda_l1 = 3\n", encoding="utf-8")
    with pytest.raises(UsageError, match="built-in"):
        resolve(replace(TOY, variant_file=tmp_path / "v.toml"))


def test_sweeps_multiply(cache: Path) -> None:
    (plan,) = resolve(replace(TOY, variants=("l1+cgan",), sets=("lambda_l1=1,10,100", "steps=5,6")))
    assert len({run.hash for run in plan.runs}) == 6
    assert {run.training.steps for run in plan.runs} == {5, 6}
    assert "l1+cgan[lambda_l1=10][steps=5]" in {run.label for run in plan.runs}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"variants": ("l1+ggan",)}, "did you mean 'l1\\+cgan'|did you mean 'l1\\+gan'"),
        ({"datasets": ("toycty",)}, "toycity"),
        ({"datasets": ()}, "expected --dataset"),
        ({"variants": ()}, "expected --variants"),
        ({"suite": "loses"}, "did you mean 'losses'"),
        ({"size_px": 31}, "32 to 2048 px on each side"),
        ({"epochs": 1.0, "steps": 5}, "found both"),
        ({"epochs": 0.0}, "above 0"),
        ({"epochs": float("nan")}, "above 0"),
        ({"epochs": float("inf")}, "above 0"),
        ({"epochs": -1.0}, "above 0"),
        ({"sets": ("lambda_l2=1",)}, "did you mean 'lambda_l1'"),
        ({"sets": ("lambda_l1",)}, "FIELD=VALUE"),
        ({"variants": ("l1+cgan/286",)}, "cannot be built at 64 px"),
        ({"direction": "photo2photo"}, "photo2labels"),
    ],
)
def test_refusals_say_what_to_do(cache: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(replace(TOY, **changed))  # type: ignore[arg-type]


def test_data_roots(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    common, own = str(tmp_path), f"maps={tmp_path / 'a'}"
    assert data_roots([common, own], ["maps", "facades"]) == {"maps": tmp_path / "a", "facades": tmp_path}
    assert data_roots([], ["maps"]) == {}
    with pytest.raises(UsageError, match="expected a folder"):
        data_roots([str(tmp_path / "none")], ["maps"])
    with pytest.raises(UsageError, match="not among"):
        data_roots([own], ["facades"])
    with pytest.raises(UsageError, match="one --data-root"):
        data_roots([common, common], ["maps"])


def test_seeds() -> None:
    assert parse_seeds("0,1,2") == parse_seeds("0-2") == (0, 1, 2)
    assert parse_seeds("7") == (7,)
    for bad in ("", "a", "2-1", "1,1", "-1", "1.5"):
        with pytest.raises(UsageError):
            parse_seeds(bad)

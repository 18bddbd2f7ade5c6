"""Two processes that train one run: what one process with the same batch computes, and nobody left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from baselines import feed as feed_module
from baselines.layers import BatchNorm, Dropout, one_batch
from baselines.pairs import batch_at, dropout_seed, to_tensor
from baselines.parallel import ALONE, Ranks, RanksApartError
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant

CPU = torch.device("cpu")
WORLD = 2
SETTINGS = TrainingSettings(steps=5, size_px=32, base_filters=4, batch_size=4)
VARIANTS = ("l1", "gan", "cgan", "l1+gan", "l1+cgan", "encdec:l1+cgan", "instance")
FEATURES = (1e3, 6, 3, 4, 5)  # mean, N, C, H, W: far from 0, where a one-pass variance fails in float32


@dataclass
class Pairs:
    source: NDArray[Any]
    target: NDArray[Any]


def trainer(name: str, ranks: Ranks = ALONE, **changes: Any) -> Trainer:
    rng = np.random.default_rng(7)
    source, target = (rng.integers(0, 256, (7, 36, 36, 3), np.uint8) for _ in range(2))
    variant = parse_variant("l1+cgan" if name == "instance" else name)
    if name == "instance":
        variant = variant.with_fields({"norm": "instance"})
    return Trainer(variant, replace(SETTINGS, **changes), Pairs(source, target), 0, CPU, ranks)


def in_double(run: Trainer) -> Trainer:
    for network in run.objective.networks.values():
        network.double()
    return run


def finish(run: Trainer) -> dict[str, Tensor]:
    """All that a finished training leaves, as tensors."""
    entries = list(run.train(log_every=2))
    losses = {
        f"{key} {entry['step']}": torch.tensor(entry[key], dtype=torch.float64)
        for entry in entries
        for key in entry
        if "loss" in key
    }
    return {key: value.clone() for key, value in run._tensors().items()} | losses


def features() -> tuple[Tensor, Tensor]:
    mean, *shape = FEATURES
    rng = torch.Generator().manual_seed(3)
    return torch.randn(shape, generator=rng) + mean, torch.randn(shape, generator=rng)


def normalise(layer: BatchNorm, values: Tensor, pull: Tensor) -> dict[str, Tensor]:
    """Output, gradients and running statistics of one forward and backward pass."""
    nn.init.normal_(layer.weight, 1.0, 0.3, generator=torch.Generator().manual_seed(1))
    values = values.clone().requires_grad_()
    out = layer(values)
    out.backward(pull)
    assert values.grad is not None
    grads = {f"{name} gradient": value.grad for name, value in layer.named_parameters()}
    return {"out": out.detach(), "back": values.grad, **grads, **layer.state_dict()}


# --- what each of the processes does ---


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    path = Path(folder)
    dist.init_process_group(
        "gloo", f"file://{path}/store", timedelta(seconds=30), world_size=WORLD, rank=rank
    )
    ranks = Ranks(rank, WORLD)
    found = {name: finish(trainer(name, ranks)) for name in VARIANTS}
    found |= {f"{kind} norm": sync_norm(ranks, kind) for kind in ("float32", "float64", "bfloat16")}
    found["resumed"] = resumed(ranks, path)
    found["doubled"] = {}
    feed_module.to_tensor = lambda *given: to_tensor(*given).double()  # type: ignore[assignment]
    for name in VARIANTS:
        finished = finish(in_double(trainer(name, ranks)))
        found["doubled"] |= {f"{name} {key}": value for key, value in finished.items()}
    feed_module.to_tensor = to_tensor  # type: ignore[assignment]
    told = {"stopped at": stopped(ranks), "left at": left(ranks), "apart": apart(ranks)}
    torch.save(found, path / f"{rank}.pt")
    (path / f"{rank}.json").write_text(json.dumps(told))


def sync_norm(ranks: Ranks, kind: str) -> dict[str, Tensor]:
    values, pull = (whole.to(getattr(torch, kind)).chunk(WORLD)[ranks.rank] for whole in features())
    layer = BatchNorm(3).to(torch.float64 if kind == "float64" else torch.float32)
    with one_batch([layer], ranks, None):
        return normalise(layer, values, pull)


def resumed(ranks: Ranks, folder: Path) -> dict[str, Tensor]:
    """Interrupted at step 4; only the first rank reads the state again."""
    first, second = trainer("l1+cgan", ranks), trainer("l1+cgan", ranks)
    for entry in first.train(log_every=2, stop=lambda: first.steps_done >= 4):
        assert entry["step"] <= 4
    if ranks.first:
        first.save(folder / "state.safetensors", "me")
        second.restore(folder / "state.safetensors", "me")
    return {key: value for key, value in finish(second).items() if "loss" not in key}


def stopped(ranks: Ranks) -> int:
    """The second rank alone is told to stop."""
    run = trainer("l1", ranks)
    list(run.train(log_every=1, stop=lambda: not ranks.first and run.steps_done == 3))
    return run.steps_done


def left(ranks: Ranks) -> int:
    """The first rank's disk is full, say, at step 2."""
    run = trainer("l1", ranks)
    entries = run.train(log_every=1)
    for entry in entries:
        if ranks.first and entry["step"] == 2:
            entries.close()  # type: ignore[attr-defined]
    return run.steps_done


def apart(ranks: Ranks) -> str:
    """The second rank fails within a step, and leaves."""
    run = trainer("l1", ranks)
    if not ranks.first:
        run._feed = None  # type: ignore[assignment]
    try:
        list(run.train(log_every=1))
    except RanksApartError as error:
        return str(error)
    finally:
        dist.destroy_process_group()
    return "no error"


# --- and what it should be ---


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank found."""
    folder = tmp_path_factory.mktemp("ranks")
    spawn(work, (str(folder),), nprocs=WORLD)
    return [
        torch.load(folder / f"{rank}.pt") | json.loads((folder / f"{rank}.json").read_text())
        for rank in range(WORLD)
    ]


def deviation(one: dict[str, Tensor], other: dict[str, Tensor], part: Callable[[str], bool]) -> float:
    """The largest difference, relative to the largest value of its tensor."""
    assert one.keys() == other.keys()
    return max(
        float(
            (value.double() - other[key].double()).abs().max() / value.double().abs().max().clamp_min(1e-30)
        )
        for key, value in one.items()
        if part(key)
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_two_ranks_train_as_one_process(name: str, found: list[dict[str, Any]]) -> None:
    alone = finish(trainer(name))
    losses = deviation(alone, found[0][name], lambda key: "loss" in key)
    print(f"{name}: losses differ by {losses:.1e}")
    assert losses < 1e-5


@pytest.mark.parametrize("name", VARIANTS)
def test_in_double_precision_they_are_the_same_to_rounding(
    name: str, found: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, both of Adam's moments and running statistics: what differs in float32 is rounding, no more.

    Biases under instance normalisation are excepted: their gradient is rounding, and Adam makes steps of it.
    """
    monkeypatch.setattr(feed_module, "to_tensor", lambda *given: to_tensor(*given).double())
    alone = finish(in_double(trainer(name)))
    there = {
        key.removeprefix(f"{name} "): value
        for key, value in found[0]["doubled"].items()
        if key.startswith(f"{name} ")
    }
    pulled = (
        ("weight",) if name == "instance" else ("weight", "bias", "exp_avg", "exp_avg_sq", "_mean", "_var")
    )
    weights = deviation(alone, there, lambda key: key.endswith(pulled))
    print(f"{name}: weights differ by {weights:.1e}")
    assert weights < 1e-9


def test_all_ranks_hold_the_same_weights(found: list[dict[str, Any]]) -> None:
    for name in (*VARIANTS, "resumed"):
        for key, value in found[0][name].items():
            assert torch.equal(value, found[1][name][key]), (name, key)


def test_a_resumed_training_is_the_uninterrupted_one_on_every_rank(found: list[dict[str, Any]]) -> None:
    for key, value in found[1]["resumed"].items():
        assert torch.equal(value, found[1]["l1+cgan"][key]), key


def test_all_stop_when_one_is_told_to(found: list[dict[str, Any]]) -> None:
    assert [there["stopped at"] for there in found] == [3, 3]
    assert [there["left at"] for there in found] == [2, 2]


def test_a_rank_that_fails_takes_the_others_with_it(found: list[dict[str, Any]]) -> None:
    assert found[1]["apart"].startswith("rank 1 of 2 failed: 'NoneType'")
    assert found[0]["apart"] == "rank 0 of 2 lost another rank, which died or hangs"


@pytest.mark.parametrize(("kind", "near"), [("float32", 2e-5), ("float64", 1e-12), ("bfloat16", 1e-2)])
def test_normalisation_is_that_of_the_whole_batch(
    kind: str, near: float, found: list[dict[str, Any]]
) -> None:
    dtype = getattr(torch, kind)
    values, pull = (whole.to(dtype).double() for whole in features())
    whole = normalise(BatchNorm(3).double(), values, pull)
    there = [rank[f"{kind} norm"] for rank in found]
    for key in ("out", "back"):
        joined = torch.cat([rank[key] for rank in there])
        assert joined.dtype == dtype
        torch.testing.assert_close(joined.double(), whole[key], rtol=near, atol=near * 100)
    for key in ("weight gradient", "bias gradient"):
        total = sum(rank[key].double() for rank in there)
        torch.testing.assert_close(total, whole[key], rtol=near, atol=near * 100)
    for key in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(there[0][key].double(), whole[key].double(), rtol=max(near, 1e-6), atol=0)


def test_a_layer_of_its_own_in_name_only() -> None:
    """Alone, both layers are torch's, and a checkpoint does not tell them apart."""
    assert BatchNorm(3).state_dict().keys() == nn.BatchNorm2d(3).state_dict().keys()
    values = features()[0]
    assert torch.equal(BatchNorm(3)(values), nn.BatchNorm2d(3)(values))
    torch.manual_seed(0)
    ours = Dropout(0.3)(values)
    torch.manual_seed(0)
    assert torch.equal(ours, nn.Dropout(0.3)(values))


def test_a_sample_has_its_masks_whatever_batch_it_is_in() -> None:
    layers = nn.Sequential(Dropout(0.5), Dropout(0.3))
    whole = torch.ones(4, 3, 8, 8)

    def dropped(places: range) -> Tensor:
        streams = [torch.Generator().manual_seed(dropout_seed(0, 5, place)) for place in places]
        with one_batch([layers], ALONE, streams):
            return layers(whole[places.start : places.stop])

    assert torch.equal(dropped(range(4)), torch.cat([dropped(range(2)), dropped(range(2, 4))]))
    assert not torch.equal(*dropped(range(2)))
    torch.manual_seed(dropout_seed(0, 5))  # the stream of a batch of one, as it has always been
    alone = layers(whole[:1])
    assert torch.equal(dropped(range(1)), alone)


def test_parts_of_a_batch_are_the_batch() -> None:
    data = trainer("l1").data
    whole = batch_at(3, data, SETTINGS, 0)
    parts = [batch_at(3, data, SETTINGS, 0, Ranks(rank, WORLD).share(4)) for rank in range(WORLD)]
    for side in (0, 1):
        assert np.array_equal(whole[side], np.concatenate([part[side] for part in parts]))


def test_a_batch_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a batch size divisible by 2 ranks, found 3"):
        trainer("l1", Ranks(0, 2), batch_size=3)

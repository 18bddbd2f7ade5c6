"""Ray's launcher on real clusters of this machine: a raylet; two, one of which is killed midway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.core.progress import Reporter
from bench.launch.driver import run_grid
from bench.launch.jobs import Advanced, Event, Launch, Said
from bench.records.record import read_records
from bench.spec.grid import GridRequest, resolve
from bench.spec.policy import Policy
from bench.spec.scoring_choice import ScoringChoice

ray = pytest.importorskip("ray", reason="needs ray: pip install -e .[ray]")

CHOICE = ScoringChoice(metrics=("ssim", "fcn_pixel_acc"))
STEPS = 300


MEMORY = 100 << 20  # bytes of a node's object store


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray's processes inherit: this checkout, and no word to anybody."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture
def node(surroundings: None) -> Iterator[None]:
    """A cluster of one node with two cores."""
    ray.init(
        num_cpus=2,
        object_store_memory=MEMORY,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


def test_trainings_on_a_node_come_home_as_one_process_leaves_them(node: None, tmp_path: Path) -> None:
    from bench.cli.main import invoke

    tiny = ["--dataset", "toycity", "--size", "32", "--base-filters", "4", "--steps", "3", "--seeds", "0,1"]
    few = ["--train-limit", "4", "--test-limit", "2", "--device", "cpu", "--threads", "1"]
    grid = ["train", "--variants", "l1", *tiny, *few]
    assert invoke([*grid, "--out", str(tmp_path / "alone")]) == 0
    assert invoke([*grid, "--launcher", "ray", "--out", str(tmp_path / "ray")]) == 0
    trained = sorted((tmp_path / "alone").glob("runs/*/checkpoint.safetensors"))
    assert len(trained) == 2
    for path in trained:
        assert (tmp_path / "ray" / path.relative_to(tmp_path / "alone")).read_bytes() == path.read_bytes()
    assert not list((tmp_path / "ray").glob("runs/*/state*"))


@pytest.fixture
def cluster(surroundings: None) -> Iterator[tuple[Any, Any]]:
    """A cluster of two nodes with a core each; the second is to be killed."""
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": MEMORY}
    made = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    second = made.add_node(**small)
    ray.init(made.address, log_to_driver=False, logging_level="ERROR")
    made.wait_for_nodes()
    yield made, second
    ray.shutdown()
    made.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cluster_that_loses_a_node_gives_the_records_of_one_process(
    cluster: tuple[Any, Any], tmp_path: Path, write_pairs
) -> None:  # type: ignore[no-untyped-def]
    from bench.launch.on_ray import OnRay

    write_pairs(tmp_path / "mine", {"train": 6, "test": 3}, size_px=32)
    asked = GridRequest(
        variants=("l1",), datasets=("toycity", "mine"), size_px=32, base_filters=4,
        data_roots=(f"mine={tmp_path / 'mine'}",), steps=STEPS, train_limit=30, test_limit=4,
    )  # fmt: skip
    made, second = cluster
    lost: list[Event] = []
    said: list[str] = []

    def kill(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)
        if isinstance(event, Advanced) and event.stage == "train":
            midway.update({event.job} if STEPS // 3 <= event.done < STEPS else ())
            if len(midway) == 2 and not lost:  # one run on each node
                lost.append(event)
                made.remove_node(second, allow_graceful=False)

    midway: set[str] = set()
    outputs = {"alone": None, "ray": OnRay(None, 1.0, 0.0, "cpu", 1, share_paths=False, state_every=1.0)}
    for name, launcher in outputs.items():
        launch = Launch(tmp_path / name, "cpu", CHOICE, "bench run", policy=Policy(checkpoint_every=0.5))
        with Reporter() as reporter:
            observers = [kill] if launcher else []
            ended = run_grid(resolve(asked), launch, reporter, launcher, observers)
        assert all(one.is_done for one in ended), ended
    assert lost, "no node was killed"
    assert any("it is tried again" in line for line in said)
    assert any("goes on at step" in line for line in said), "the lost run started again from the beginning"
    alone, there = (
        {record.id: record for record in read_records(tmp_path / name)} for name in ("alone", "ray")
    )
    assert alone.keys() == there.keys()
    for name, record in alone.items():
        assert there[name].results == record.results
        assert there[name].details.get("fitness") == record.details.get("fitness")
    files = [path for path in (tmp_path / "alone").rglob("*") if path.suffix in (".png", ".safetensors")]
    assert len(files) > 10
    for path in files:
        assert (tmp_path / "ray" / path.relative_to(tmp_path / "alone")).read_bytes() == path.read_bytes()


def test_an_address_that_is_none_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from bench.cli.main import invoke

    out = ["--out", str(tmp_path / "out"), "--launcher", "ray", "--ray-address", "ray://head:1"]
    assert invoke(["train", "--variants", "l1", "--dataset", "toycity", "--steps", "1", *out]) == 2
    assert "expected HOST:PORT" in capfd.readouterr().err

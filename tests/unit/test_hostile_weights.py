"""A pickle planted in every file of weights: it does not run, and the refusal is one line."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from example_card import example_card

from baselines.build import build_generator
from baselines.checksummed import load_checked, save_checked
from baselines.pairs import PairArrays
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint
from baselines.variants import parse_variant
from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.core.state_dict import WeightsError, read_state_dict
from bench.data import cache as decoded
from bench.data.types import ClassInfo
from bench.records.record import RunRecord, read_per_image
from bench.scoring.judges import trained as store
from bench.scoring.judges.external import open_adapter
from bench.scoring.metrics import set_features as features
from bench.scoring.metrics.inception import load_inception
from bench.scoring.metrics.lpips import load_lpips

CARD = example_card(classes=(ClassInfo("a", (0, 0, 0), 0), ClassInfo("b", (1, 1, 1), 1)))


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self.sprung,))


PLANTS: dict[str, Callable[[Path, Trap], None]] = {
    "torch archive": lambda path, trap: torch.save({"a": torch.zeros(2), "trap": trap}, path),
    "old torch file": lambda path, trap: torch.save(trap, path, _use_new_zipfile_serialization=False),
    "bare pickle": lambda path, trap: path.write_bytes(pickle.dumps(trap)) and None,
    "protocol 0": lambda path, trap: path.write_bytes(pickle.dumps(trap, protocol=0)) and None,
    "npy": lambda path, trap: _save_npy(path, trap),
    "torchscript": lambda path, trap: _in_torchscript(path, trap),
}  # fmt: skip


def _save_npy(path: Path, trap: Trap) -> None:
    with path.open("wb") as handle:
        np.save(handle, np.array([trap], dtype=object), allow_pickle=True)


def _in_torchscript(path: Path, trap: Trap) -> None:
    """A TorchScript archive, its pickles exchanged for the trap."""
    torch.jit.save(torch.jit.script(torch.nn.Identity()), str(path))
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, pickle.dumps(trap, 2) if name.endswith(".pkl") else content)


def _trainer() -> Trainer:
    settings = TrainingSettings(steps=1, size_px=32, base_filters=1)
    side = settings.load_size_px

    class Pairs:
        source = target = np.zeros((1, side, side, 1), np.uint8)

    pairs: PairArrays = Pairs()
    return Trainer(parse_variant("l1"), settings, pairs, 0, torch.device("cpu"))


ENTRANCES: dict[str, Callable[[Path], object]] = {
    "checkpoint": lambda path: load_checkpoint(path, torch.device("cpu")),
    "training state": lambda path: _trainer().restore(path, "id"),
    "inception": lambda path: load_inception(path, "cpu"),
    "lpips": lambda path: load_lpips(path, "digest of the trap", "cpu"),
    "state dict": read_state_dict,
    "torchvision:": lambda path: open_adapter(f"torchvision:lraspp_mobilenet_v3_large={path}", CARD, "cpu"),
    "torchscript:": lambda path: open_adapter(f"torchscript:{path}", CARD, "cpu"),
    "onnx:": lambda path: open_adapter(f"onnx:{path}", CARD, "cpu"),
    "caffe:": lambda path: open_adapter(f"caffe:{path}", CARD, "cpu"),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.filterwarnings("ignore")
def test_a_planted_pickle_does_not_run(tmp_path: Path, plant: str, entrance: str) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "weights"
    PLANTS[plant](path, Trap(sprung))
    with pytest.raises((UsageError, ValueError)) as caught:
        ENTRANCES[entrance](path)
    assert not sprung.exists()
    assert str(caught.value).isprintable()


def test_the_trap_would_spring(tmp_path: Path) -> None:
    """So that the tests above can fail."""
    torch.save(Trap(tmp_path / "sprung"), tmp_path / "x")
    torch.load(tmp_path / "x", weights_only=False)
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.filterwarnings("ignore")
def test_a_planted_pickle_in_a_cache_does_not_run(tmp_path: Path, plant: str) -> None:
    for name in ("weights.safetensors", "source.npy", "target.npy", "kept.npz"):
        PLANTS[plant](tmp_path / name, Trap(tmp_path / "sprung"))
    (tmp_path / "meta.json").write_text('{"hash": "x", "arrays": ["source", "target"], "void_share": 0}')
    assert store._load(tmp_path, "fcn-small", 2, "cpu") is None
    assert features._read(tmp_path / "kept.npz", 1) is None
    assert decoded._open(tmp_path, "key", ("a",)) is None
    assert not list(tmp_path.glob("sprung"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_planted_pickle_in_a_transformers_folder_does_not_run(tmp_path: Path, name: str) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").write_text('{"model_type": "segformer", "architectures": ["x"]}')
    torch.save({"x": Trap(tmp_path / "sprung")}, tmp_path / "m" / name)
    with pytest.raises(UsageError) as caught:
        open_adapter(f"hf:{tmp_path}/m", CARD, "cpu")
    assert not (tmp_path / "sprung").exists()
    assert str(caught.value).isprintable()


def test_a_pickle_in_the_schema_of_a_table_does_not_run(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    marks = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": trap}
    fields = [
        pyarrow.field("name", pyarrow.string()),
        pyarrow.field("ssim", pyarrow.float64(), metadata=marks),
    ]
    (tmp_path / "records").mkdir()
    table = pyarrow.table([["a"], [0.5]], schema=pyarrow.schema(fields))
    parquet.write_table(table, tmp_path / "records" / "x.parquet")
    spec = {"data": {"name": "d", "direction": "a2b"}}
    read_per_image(tmp_path, RunRecord("x", "run", "x", spec, "finished"))
    assert not (tmp_path / "sprung").exists()


def test_the_command_says_it_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save(Trap(tmp_path / "sprung"), tmp_path / "x.safetensors")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()
    code = invoke(
        [
            "generate",
            "--checkpoint",
            f"{tmp_path}/x.safetensors",
            "--images",
            f"{tmp_path}/in",
            "--to",
            f"{tmp_path}/o",
        ]
    )
    said = capfd.readouterr().err
    assert (code, said.count("\n")) == (2, 1)
    assert "Traceback" not in said
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("settings", "size_px", {}), ("settings", "size_px", 64), ("settings", "base_filters", 512),
        ("variant", "dropout", []), (None, "source_channels", 10**9), (None, "target_channels", "x"),
    ],
)  # fmt: skip
def test_a_checkpoint_whose_description_lies(
    tmp_path: Path, part: str | None, field: str, value: Any
) -> None:
    variant, settings = parse_variant("l1"), TrainingSettings(steps=1, size_px=32, base_filters=1)
    generator = build_generator(variant, settings, 1, 1)
    whole = Checkpoint(generator, variant, settings, 1, "uint8", "bicubic", "uint8", "id")
    save_checkpoint(tmp_path / "c", whole)
    tensors, about = load_checked(tmp_path / "c")
    (about[part] if part else about)[field] = value
    save_checked(tmp_path / "c", tensors, about)
    with pytest.raises(ValueError, match=r"checkpoint .* is damaged"):
        load_checkpoint(tmp_path / "c", torch.device("cpu"))


# --- tensors that claim too much ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(1).expand(10**12), "claims more values"),
        (torch.zeros(10**9, device="meta"), "not a plain tensor"),
        (torch.zeros(3).to_sparse(), "not a plain tensor"),
        (torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8), "not a plain tensor|without code"),
        ([1, 2], "more than named tensors"),
    ],
    ids=["expanded", "meta", "sparse", "quantised", "list"],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_not_what_they_say(tmp_path: Path, tensor: Any, said: str) -> None:
    torch.save({"w": tensor}, tmp_path / "x")
    with pytest.raises(WeightsError, match=said):
        read_state_dict(tmp_path / "x")


def test_a_compressed_archive_is_refused_unread(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(10**6)}, tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x") as whole, zipfile.ZipFile(tmp_path / "y", "w", 8) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    with pytest.raises(WeightsError, match="compressed"):
        read_state_dict(tmp_path / "y")


# --- programs ---------------------------------------------------------------------------------------------


class _Saves(torch.nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_program_that_writes_files_is_not_run(tmp_path: Path) -> None:
    network = torch.jit.script(_Saves(str(tmp_path / "written")))
    torch.jit.save(network, str(tmp_path / "net.pt"))
    with pytest.raises(UsageError, match="'save', which reaches out"):
        open_adapter(f"torchscript:{tmp_path}/net.pt", CARD, "cpu")
    assert not (tmp_path / "written").exists()
    torch.jit.load(str(tmp_path / "net.pt"))(torch.zeros(1))
    assert (tmp_path / "written").exists()  # it would have


def test_an_onnx_file_reads_no_other_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    weight = onnx.TensorProto(name="w", data_type=1, dims=[3, 3, 1, 1], data_location=1)
    for location in ("../secret", str(tmp_path / "secret")):
        del weight.external_data[:]
        weight.external_data.add(key="location", value=location)
        sides = [onnx.helper.make_tensor_value_info(name, 1, [1, 3, 16, 16]) for name in "xy"]
        node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
        graph = onnx.helper.make_graph([node], "g", sides[:1], sides[1:], [weight])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        (tmp_path / "m").mkdir(exist_ok=True)
        (tmp_path / "m/net.onnx").write_bytes(model.SerializeToString())
        (tmp_path / "secret").write_bytes(bytes(36))
        with pytest.raises(UsageError, match=r"expected an ONNX file at .*net\.onnx"):
            open_adapter(f"onnx:{tmp_path}/m/net.onnx", CARD, "cpu")

"""`--model`: what is refused, in one line, before anything is written; and a row from command to report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.build import build_generator
from baselines.settings import TestSettings, TrainingSettings
from baselines.variant import Variant
from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.spec.models import ModelRow, parse_models
from bench.spec.run_spec import DataSpec
from bench.stages.models.open_model import open_model
from bench.stages.models.opened import Images

FUNCTIONS = """
import numpy as np
import torch

def invert(batch):
    return 255 - batch

def noisy(batch, seeds):
    rng = np.random.default_rng(seeds[0])
    return np.clip(batch / 255.0 + rng.normal(0, 0.1, batch.shape), 0, 1)

def narrow(batch):
    return batch[:, 1:]

def far(batch):
    return batch.astype(float)

def broken(batch):
    return np.full(batch.shape, np.nan)

def raising(batch):
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FUNCTIONS, encoding="utf-8")
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    variant = Variant("r", "resnet6", norm="instance-plain", dropout=0)
    network = build_generator(variant, TrainingSettings(1, 32, base_filters=2), 3, 3)
    torch.save(network.state_dict(), tmp_path / "net_G.pth")
    return tmp_path / "net_G.pth"


def refused(text: str) -> str:
    def opening() -> None:
        (model,) = parse_models([text])
        open_model(model, Images(32, 3, 3), TestSettings(), "cpu")

    with pytest.raises(UsageError) as caught:
        opening()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("released:x.pth", "NAME=KIND:WHERE"),
        ("r=keras:x.h5", "of kind released, torchscript, onnx, python, found 'keras'"),
        ("r=folder:images", "bench score images --target DIR --name r"),
        ("real=released:x.pth", "other than real, copy"),
        ("r=released:nowhere.pth", "found none: check the path"),
        ("r=python:mine", "python:MODULE:CALLABLE"),
        ("r=python:no_such_module_here:f", "Python module 'no_such_module_here'"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


def test_each_model_has_a_name_of_its_own(functions: Path) -> None:
    with pytest.raises(UsageError, match="found 'a' twice"):
        parse_models([f"a=python:{functions}:invert"] * 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("narrow", r"(1, 32, 32, 3), found (1, 31, 32, 3)"),
        ("far", "values in 0..1, found"),
        ("broken", "found 3072 that are NaN"),
        ("raising", "fails on (32, 32, 3): RuntimeError: no weights here"),
        ("absent", "expected a function absent"),
    ],
)
def test_a_function_that_makes_no_images_is_refused(functions: Path, name: str, said: str) -> None:
    assert said in refused(f"f=python:{functions}:{name}")


def test_a_function_gets_seeds_where_it_takes_them(functions: Path) -> None:
    (model,) = parse_models([f"f=python:{functions}:noisy"])
    noisy = open_model(model, Images(32, 3, 3), TestSettings(), "cpu")
    image = np.full((32, 32, 3), 100, np.uint8)
    first, again, other = noisy.translate([(image, 1), (image, 1), (image, 2)])
    assert (first == again).all()
    assert (first != other).any()


def test_weights_that_are_none_of_the_released_code_are_refused(tmp_path: Path, weights: Path) -> None:
    torch.save({"epoch": 3, "model": {}}, tmp_path / "more.pth")
    assert "it holds more than named tensors" in refused(f"r=released:{tmp_path / 'more.pth'}")
    torch.save(Path("/"), tmp_path / "code.pth")
    assert "does not load without code" in refused(f"r=released:{tmp_path / 'code.pth'}")
    torch.save({"a.weight": torch.zeros(2)}, tmp_path / "other.pth")
    assert "found a.weight" in refused(f"r=released:{tmp_path / 'other.pth'}")
    said = refused(f"r=released:{weights},ngf=4")
    assert "layer model.1.weight: expected shape (4, 3, 7, 7), found shape (2, 3, 7, 7)" in said
    assert "found those of a ResNet" in refused(f"r=released:{weights},netG=unet_128")
    assert "options of a released model" in refused(f"r=released:{weights},range=0..1")
    held = torch.load(weights, weights_only=True)
    held["model.1.weight"][0, 0, 0, 0] = float("nan")
    torch.save(held, tmp_path / "nan.pth")
    assert "layer model.1.weight" in refused(f"r=released:{tmp_path / 'nan.pth'}")


def test_a_program_states_its_range_and_has_the_right_rank(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    for name, shape in (("flat", ["N", 3]), ("image", ["N", 3, 32, 32])):
        values = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, shape) for n in ("x", "y")]
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:]
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, str(tmp_path / name))
    assert "expected one input (N, 3, H, W)" in refused(f"o=onnx:{tmp_path / 'flat'},range=-1..1")
    assert "add ,range=-1..1" in refused(f"o=onnx:{tmp_path / 'image'}")
    assert "a range such as -1..1" in refused(f"o=onnx:{tmp_path / 'image'},range=1..1")
    (model,) = parse_models([f"o=onnx:{tmp_path / 'image'},range=-1..1"])
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    same = open_model(model, Images(32, 3, 3), TestSettings(), "cpu")
    assert (next(same.translate([(image, 0)])) == image).all()
    (tmp_path / "text").write_text("no program", encoding="utf-8")
    assert "expected an ONNX file" in refused(f"o=onnx:{tmp_path / 'text'},range=0..1")
    assert "expected a TorchScript file" in refused(f"o=torchscript:{tmp_path / 'text'},range=0..1")


def test_the_id_depends_on_the_file_and_the_options_not_on_where_it_lies(
    tmp_path: Path, weights: Path
) -> None:
    data = DataSpec("d", "a2b", "paired", 4, 2, "train", "test")
    copy = tmp_path / "elsewhere.pth"
    copy.write_bytes(weights.read_bytes())

    def row(text: str) -> ModelRow:
        return ModelRow(parse_models([text])[0], data, 32, TestSettings())

    first = row(f"r=released:{weights}")
    assert first.id == row(f"r=released:{copy}").id
    assert first.id != row(f"r=released:{weights},bytes=rounded").id
    assert first.to_dict()["data"]["train_n"] == 0
    assert str(tmp_path) not in json.dumps(first.to_dict())


def test_models_become_rows_of_a_report(tmp_path: Path, functions: Path, weights: Path) -> None:
    out = tmp_path / "out"
    command = ["run", "--dataset", "toycity", "--size", "32", "--train-limit", "4", "--test-limit", "4"]
    command += ["--metrics", "mae,diversity,source_response", "--judge", "none", "--out", str(out)]
    assert invoke([*command, "--model", f"f=python:{functions}:broken"]) == 2
    assert not out.exists()
    given = [f"released=released:{weights}", f"noisy=python:{functions}:noisy"]
    assert invoke([*command, *(part for one in given for part in ("--model", one))]) == 0
    records = {
        record["label"]: record
        for record in (json.loads(path.read_text()) for path in (out / "records").glob("*.json"))
        if record["kind"] == "run"
    }
    assert records.keys() == {"released", "noisy"}
    for record in records.values():
        assert record["spec"]["variant"]["source"] == "trained elsewhere"
        assert record["spec"]["training"] == {"size_px": 32}
        assert record["results"]["source_response"]["value"] > 0
    assert records["released"]["results"]["diversity"]["value"] == 0
    assert records["noisy"]["results"]["diversity"]["value"] > 1
    assert records["released"]["details"]["model"]["architecture"].startswith(
        "resnet_6blocks, ngf 2, instance"
    )
    page = (out / "report" / "report.md").read_text()
    assert "# Scores of noisy and released on toycity" in page
    assert "released was trained elsewhere (" in page

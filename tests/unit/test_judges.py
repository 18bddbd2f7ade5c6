"""Judges that others trained: each kind through the door, their classes translated, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from example_card import example_card
from torch import Tensor, nn
from torch.nn import functional

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.core.progress import Reporter
from bench.data.open_dataset import open_dataset
from bench.data.types import ClassInfo, SplitArrays
from bench.records.record import read_records
from bench.scoring.judges import external_base as judge_base
from bench.scoring.judges import external_torchvision as judge_torchvision
from bench.scoring.judges.base import NO_CLASS
from bench.scoring.judges.class_map import class_table, read_class_map
from bench.scoring.judges.external import check_adapter, open_adapter
from bench.scoring.metrics.base import Batch, ScoringContext
from bench.scoring.metrics.segmentation import SegmentationMetric
from bench.spec.pairs_used import data_spec
from bench.spec.scoring_choice import ScoringChoice, check_judge_choice
from bench.stages.data_in_use import Workbench

CARD = example_card(
    classes=tuple(ClassInfo(name, (i, 0, 0), i) for i, name in enumerate(("road", "sky", "car"))),
)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Brightest(nn.Module):
    """Knows red, green, blue, and a fourth class where all are dark; its weights are all there is to it."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Conv2d(3, 4, 1)
        with torch.no_grad():
            self.scores.weight.copy_(torch.eye(4, 3)[..., None, None])
            self.scores.bias.copy_(torch.tensor([0, 0, 0, 0.3]))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.scores(images)
        return scores


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "judge.pt"
    torch.jit.trace(Brightest().eval(), torch.zeros(1, 3, 16, 16)).save(str(path))
    return path


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    path = tmp_path / "classes.toml"
    path.write_text('0 = "sky"\n1 = 0\n2 = "car"\n')
    return path


def colours() -> Tensor:
    """(1, 3, 16, 16): quarters in red, green, blue and black."""
    image = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    image[:, 0, :8, :8] = image[:, 1, :8, 8:] = image[:, 2, 8:, :8] = 200
    return image


def noise(count: int = 3, size: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def expected_ids(network: Callable[[Tensor], Tensor], prepared: Tensor, size: int) -> Tensor:
    """What the judge must say, computed from the network alone."""
    with torch.no_grad():
        logits = network(prepared)
    return functional.interpolate(logits, (size, size), mode="bilinear", align_corners=False).argmax(1)


def balance(bias: Tensor, network: Callable[[Tensor], Tensor]) -> None:
    """Make a random network say all its classes: take the mean of each class's score from its bias."""
    with torch.no_grad():
        bias -= network(imagenet(noise(2, 64))).mean((0, 2, 3))


def imagenet(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in IMAGENET)
    return (images.float() / 255 - mean) / std


# --- class maps ----------------------------------------------------------------------------------------


def test_classes_are_translated_by_name_number_and_train_id(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('"traffic light" = "sky"\n0 = 2\nAUTO = "car"\n')
    table = class_table(CARD, 4, ["asphalt", "Traffic Light", "tree", "auto"], path)
    assert table.tolist() == [2, 1, NO_CLASS, 2]


def test_without_a_map_as_many_outputs_are_train_ids_and_others_are_refused() -> None:
    assert class_table(CARD, 3, None, None).tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match=r"judge of 3 classes for tiny, found 21: .*classes=FILE"):
        class_table(CARD, 21, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none"),
        ("road = [1]", "road: expected text or a whole number"),
        ("road = true", "found True"),
        ("road ~ 1", "in TOML"),
        ("lorry = 1", "found 'lorry'"),
        ("4 = 1", "0 to 3, .*found '4'"),
        ("1 = 3", "found 3"),
        ('1 = "tree"', "road, sky, car.*found 'tree'"),
        ("1 = -1", "found -1"),
        ('b = 0\n1 = "sky"', "output 1 of the judge once"),
    ],
)
def test_class_maps_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        class_table(CARD, 4, ["a", "b", "c", "d"], path)
    assert "\n" not in str(caught.value)
    assert "map.toml" in str(caught.value)


def test_a_missing_class_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"class map in TOML at .*nowhere"):
        read_class_map(tmp_path / "nowhere.toml")


# --- torchscript, and what all kinds share ---------------------------------------------------------------


def test_torchscript_with_a_class_map(script: Path, class_map: Path) -> None:
    judge = open_adapter(f"torchscript:{script},classes={class_map}", CARD, "cpu")
    found = judge.segment(colours())[0]
    assert [int(found[y, x]) for y, x in ((0, 0), (0, 12), (12, 0), (12, 12))] == [1, 0, 2, NO_CLASS]
    assert judge.num_classes == 3


def test_images_of_no_class_are_wrong_pixels_in_the_scores(script: Path, class_map: Path) -> None:
    judge = open_adapter(f"torchscript:{script},classes={class_map}", CARD, "cpu")
    image = colours().permute(0, 2, 3, 1).numpy()
    labels = np.zeros((1, 16, 16), np.uint8)  # road, but sky at the left: 128 pixels each
    labels[:, :, :8] = 1
    test = SplitArrays(("a",), image, image, labels, 0.0, "key")
    context = ScoringContext(CARD, 16, "photo", "run", "cpu", Path("unused"), test, judge=judge)
    metric = SegmentationMetric(context)
    metric.update(Batch(("a",), image, image, labels))
    values = {result.name: result.value for result in metric.compute().results}
    # sky (left): 64 right, 64 taken for car; road (right): 64 right, 64 no class
    assert values["fcn_pixel_acc"] == pytest.approx(0.5)
    assert values["fcn_class_acc"] == pytest.approx(0.5)
    assert values["fcn_class_iou"] == pytest.approx(0.5)


def test_the_judges_own_input_size_and_normalisation(script: Path, class_map: Path) -> None:
    images = noise()
    judge = open_adapter(f"torchscript:{script},classes={class_map},input=half,size=16", CARD, "cpu")
    small = functional.interpolate(
        images.float(), (16, 16), mode="bilinear", align_corners=False, antialias=True
    )
    expected = expected_ids(Brightest(), (small / 255 - 0.5) / 0.5, 24)
    assert torch.equal(judge.segment(images), torch.tensor([1, 0, 2, NO_CLASS])[expected])
    assert judge.protocol["judge_input"].startswith("16x16, bilinear, antialias")


def test_any_batch_gives_the_same(script: Path, class_map: Path) -> None:
    judge = open_adapter(f"torchscript:{script},classes={class_map}", CARD, "cpu")
    images = noise(5)
    alone = torch.cat([judge.segment(image[None]) for image in images])
    assert torch.equal(judge.segment(images), alone)
    assert judge.segment(images[:0]).shape == (0, 24, 24)


def test_the_hash_follows_weights_classes_and_input(script: Path, class_map: Path, tmp_path: Path) -> None:
    def digest(spec: str) -> str:
        judge = open_adapter(f"torchscript:{spec}", CARD, "cpu")
        assert judge.protocol["judge_hash"] == judge.hash
        assert str(tmp_path) not in json.dumps(judge.protocol)
        return judge.hash

    other_map = tmp_path / "other.toml"
    other_map.write_text("0 = 0\n")
    changed = Brightest()
    changed.scores.bias.data += 1
    other = tmp_path / "other.pt"
    torch.jit.trace(changed.eval(), torch.zeros(1, 3, 16, 16)).save(str(other))
    first = digest(f"{script},classes={class_map}")
    assert first == digest(f"{script},classes={class_map}")
    different = {
        digest(f"{script},classes={other_map}"),
        digest(f"{script},classes={class_map},input=bytes"),
        digest(f"{script},classes={class_map},size=32"),
        digest(f"{other},classes={class_map}"),
    }
    assert len({first, *different}) == 5


class Pair(nn.Module):
    """Returns a tuple, as exported networks may."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images[:, :1]


class Labels(nn.Module):
    """Returns classes, not scores."""

    def forward(self, images: Tensor) -> Tensor:
        return images.argmax(1)


def test_the_first_of_several_outputs_counts_and_labels_are_refused(tmp_path: Path) -> None:
    torch.jit.script(Pair()).save(str(tmp_path / "pair.pt"))
    assert open_adapter(f"torchscript:{tmp_path}/pair.pt", CARD, "cpu").segment(colours())[0, 0, 12] == 1
    torch.jit.script(Labels()).save(str(tmp_path / "labels.pt"))
    with pytest.raises(UsageError, match=r"float scores.*without its argmax"):
        open_adapter(f"torchscript:{tmp_path}/labels.pt", CARD, "cpu")


def test_a_network_that_fails_is_named_on_one_line(tmp_path: Path) -> None:
    torch.jit.trace(nn.Conv2d(3, 3, 32), torch.zeros(1, 3, 64, 64)).save(str(tmp_path / "large.pt"))
    with pytest.raises(UsageError, match=r"fails on an image of 16 px.*size=PX") as caught:
        open_adapter(f"torchscript:{tmp_path}/large.pt", CARD, "cpu")
    assert "\n" not in str(caught.value)
    assert open_adapter(f"torchscript:{tmp_path}/large.pt,size=64", CARD, "cpu").segment(colours()).shape


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("torchscript:nowhere.pt", "no file"),
        ("onnx:nowhere.onnx", "no file"),
        ("torchvision:fcn_resnet5", "did you mean 'fcn_resnet50'"),
        ("torchvision:fcn_resnet50=nowhere.pth", "no file"),
        ("hf:./nowhere", "neither"),
        ("hf:owner/name/more", "neither"),
        ("torchvision:fcn_resnet50,input=gray", "input=bytes"),
        ("torchvision:fcn_resnet50,size=3", "8 to 8192"),
        ("torchvision:fcn_resnet50,classes=nowhere.toml", "class map"),
        ("torchvision:fcn_resnet50,colour=1", "colour=1"),
    ],
)
def test_what_can_be_seen_to_fail_fails_before_training(spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        check_adapter(spec)
    assert "\n" not in str(caught.value)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"transformers.*pip install 'pix2pix-bench\[hf\]'"):
        judge_base.needed_package("transformers", "hf", "hf")


def test_a_file_that_is_no_torchscript(tmp_path: Path) -> None:
    (tmp_path / "judge.pt").write_bytes(b"no archive")
    with pytest.raises(UsageError, match="expected a TorchScript file"):
        open_adapter(f"torchscript:{tmp_path}/judge.pt", CARD, "cpu")


def test_a_workbench_opens_the_judge_for_its_size(script: Path, class_map: Path, tmp_path: Path) -> None:
    dataset = open_dataset("toycity")
    choice = ScoringChoice(judge=f"torchscript:{script},classes={class_map}")
    check_judge_choice(choice)
    with Reporter() as reporter:
        bench = Workbench(dataset, data_spec(dataset, 4, 3), tmp_path, "cpu", choice, reporter)
        context = bench.context(32, "run")
    assert context.judge.protocol["judge"] == "torchscript"
    assert context.judge.num_classes == len(dataset.card.train_classes)
    assert context.judge.segment(noise()).shape == (3, 24, 24)


@pytest.mark.slow
def test_a_whole_run_scored_by_a_torchscript_file(tmp_path: Path) -> None:
    path, mapped, out = tmp_path / "judge.pt", tmp_path / "map.toml", tmp_path / "out"
    torch.jit.trace(Brightest().eval(), torch.zeros(1, 3, 32, 32)).save(str(path))
    mapped.write_text('2 = "sky"\n1 = "vegetation"\n')
    limits = ["--train-limit", "6", "--test-limit", "4", "--steps", "2", "--base-filters", "4"]
    command = ["run", "--variants", "l1", "--dataset", "toycity", "--size", "32", "--device", "cpu", *limits]
    chosen = ["--judge", f"torchscript:{path},classes={mapped}", "--metrics", "fcn_pixel_acc,fcn_class_iou"]
    assert invoke([*command, *chosen, "--out", str(out)]) == 0
    for record in read_records(out):
        result = record.results["fcn_pixel_acc"]
        assert result.protocol["judge"] == "torchscript"
        assert 0 <= (-1 if result.value is None else result.value) < 1
    real = next(record for record in read_records(out) if record.label == "real")
    assert (real.results["fcn_class_iou"].value or 0) > 0


# --- torchvision ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lraspp(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """A random LR-ASPP of three classes, and its state dict on disk."""
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=3)
    network.eval()
    balance(network.classifier.low_classifier.bias, lambda images: network(images)["out"])
    path = tmp_path_factory.mktemp("torchvision") / "weights.pth"
    torch.save(network.state_dict(), path)
    return network, path


def test_torchvision_with_a_local_state_dict(lraspp: tuple[nn.Module, Path]) -> None:
    network, path = lraspp
    judge = open_adapter(f"torchvision:lraspp_mobilenet_v3_large={path},size=64", CARD, "cpu")
    images = noise(2, 64)
    expected = expected_ids(lambda images: network(images)["out"], imagenet(images), 64)
    assert torch.equal(judge.segment(images), expected)
    assert len(expected.unique()) > 1
    assert judge.protocol["judge"] == "torchvision:lraspp_mobilenet_v3_large"


def test_torchvision_wants_its_preset_size(lraspp: tuple[nn.Module, Path]) -> None:
    judge: Any = open_adapter(f"torchvision:lraspp_mobilenet_v3_large={lraspp[1]}", CARD, "cpu")
    assert judge.prepare.size == (520, 520)


def test_an_auxiliary_classifier_is_left_out(lraspp: tuple[nn.Module, Path], tmp_path: Path) -> None:
    network, path = lraspp
    torch.save({**network.state_dict(), "aux_classifier.4.weight": torch.zeros(3)}, tmp_path / "aux.pth")
    with_it, without = (
        open_adapter(f"torchvision:lraspp_mobilenet_v3_large={file},size=32", CARD, "cpu")
        for file in (tmp_path / "aux.pth", path)
    )
    assert with_it.hash == without.hash


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_no_code_in_a_state_dict_runs(tmp_path: Path) -> None:
    torch.save({"classifier.4.weight": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(UsageError, match="does not load without code"):
        open_adapter(f"torchvision:fcn_resnet50={tmp_path}/trap.pth", CARD, "cpu")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"backbone.weight": torch.zeros(3)}, "no classifier"),
        ({"classifier.low_classifier.weight": torch.zeros(3, 40, 1, 1)}, "does not fit"),
        ([1, 2], "state_dict.. alone"),
    ],
)
def test_state_dicts_that_do_not_fit(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(UsageError, match=said) as caught:
        open_adapter(f"torchvision:lraspp_mobilenet_v3_large={tmp_path}/weights.pth", CARD, "cpu")
    assert "\n" not in str(caught.value)


def test_offline_says_where_the_weights_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: Any, **kwargs: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UsageError, match=r"no network.*put https.*torchvision:fcn_resnet50=FILE"):
        open_adapter("torchvision:fcn_resnet50", CARD, "cpu")


def test_released_weights_bring_their_class_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lraspp: tuple[nn.Module, Path]
) -> None:
    weights = lraspp[0].state_dict()
    monkeypatch.setattr(judge_torchvision, "_released", lambda name: (weights, ["ground", "air", "auto"]))
    path = tmp_path / "map.toml"
    path.write_text('auto = "car"\nair = "sky"\n')
    judge: Any = open_adapter(f"torchvision:lraspp_mobilenet_v3_large,classes={path}", CARD, "cpu")
    assert judge.table.tolist() == [NO_CLASS, 1, 2]


# --- transformers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def segformer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A tiny random SegFormer of four classes, saved as safetensors with its preprocessor's settings."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `hf`")
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label={0: "asphalt", 1: "tree", 2: "car", 3: "air"},
        label2id={"asphalt": 0, "tree": 1, "car": 2, "air": 3},
    )
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    balance(network.decode_head.classifier.bias, lambda images: network(images).logits)
    folder = tmp_path_factory.mktemp("hf") / "segformer"
    network.save_pretrained(folder)
    settings = {
        "do_resize": True,
        "size": {"height": 32, "width": 32},
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return network, folder


def test_a_segformer_from_a_folder(segformer: tuple[Any, Path], tmp_path: Path) -> None:
    network, folder = segformer
    path = tmp_path / "map.toml"
    path.write_text('asphalt = "road"\ncar = "car"\nair = "sky"\n')
    judge = open_adapter(f"hf:{folder},classes={path}", CARD, "cpu")
    images = noise(2, 48)
    small = functional.interpolate(
        images.float(), (32, 32), mode="bilinear", align_corners=False, antialias=True
    )
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    expected = expected_ids(lambda images: network(images).logits, (small / 255 - mean) / std, 48)
    assert torch.equal(judge.segment(images), torch.tensor([0, NO_CLASS, 2, 1])[expected])
    assert len(expected.unique()) > 1
    assert judge.protocol["judge"] == "hf:segformer"
    assert judge.protocol["judge_input"] == (
        "32x32, bilinear, antialias; (x * 0.003922 - [0.5 0.4 0.3]) / [0.2 0.3 0.4]"
    )


def test_pickled_weights_of_transformers_are_refused(segformer: tuple[Any, Path], tmp_path: Path) -> None:
    network, folder = segformer
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match="in safetensors"):
        open_adapter(f"hf:{tmp_path}", CARD, "cpu")


def test_a_model_without_its_head_is_refused(segformer: tuple[Any, Path], tmp_path: Path) -> None:
    network, _ = segformer
    network.segformer.save_pretrained(tmp_path / "backbone")
    with pytest.raises(UsageError, match=r"expected all weights.*decode_head"):
        open_adapter(f"hf:{tmp_path}/backbone", CARD, "cpu")


def test_code_beside_a_model_is_not_run(segformer: tuple[Any, Path], tmp_path: Path) -> None:
    _, folder = segformer
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "trap", "auto_map": {"AutoConfig": "trap.TrapConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "trap.py").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n")
    with pytest.raises(UsageError, match="semantic segmentation"):
        open_adapter(f"hf:{tmp_path}", CARD, "cpu")
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_preprocessor_is_named(segformer: tuple[Any, Path], tmp_path: Path) -> None:
    network, _ = segformer
    network.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").write_text('{"image_mean": [1, 2]}')
    with pytest.raises(UsageError, match=r"preprocessor_config\.json.*2 means"):
        open_adapter(f"hf:{tmp_path}/model", CARD, "cpu")


# --- ONNX ----------------------------------------------------------------------------------------------


def onnx_file(path: Path, shape: list[int | str], inputs: int = 1) -> Path:
    """`Brightest` as an ONNX file, written node by node."""
    onnx = pytest.importorskip("onnx", reason="writes the test's ONNX file")
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    from onnx import TensorProto, helper, numpy_helper

    network = Brightest()
    constants = [
        numpy_helper.from_array(network.scores.weight.detach().numpy(), "weight"),
        numpy_helper.from_array(network.scores.bias.detach().numpy(), "bias"),
    ]
    images = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, shape) for i in range(inputs)]
    scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 4, *shape[2:]])
    node = helper.make_node("Conv", ["x0", "weight", "bias"], ["y"])
    graph = helper.make_graph([node], "brightest", images, [scores], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("shape", [["n", 3, "h", "w"], [1, 3, "h", "w"], [1, 3, 24, 24]])
def test_onnx_judges_as_the_network_does(tmp_path: Path, class_map: Path, shape: list[int | str]) -> None:
    path = onnx_file(tmp_path / "judge.onnx", shape)
    judge = open_adapter(f"onnx:{path},classes={class_map}", CARD, "cpu")
    images = noise()
    expected = expected_ids(Brightest(), images.float() / 255, 24)
    assert torch.equal(judge.segment(images), torch.tensor([1, 0, 2, NO_CLASS])[expected])


def test_a_fixed_onnx_size_is_resized_to(tmp_path: Path, class_map: Path) -> None:
    path = onnx_file(tmp_path / "judge.onnx", [1, 3, 24, 24])
    judge = open_adapter(f"onnx:{path},classes={class_map}", CARD, "cpu")
    assert judge.segment(noise(2, 40)).shape == (2, 40, 40)
    with pytest.raises(UsageError, match="expected size=24"):
        open_adapter(f"onnx:{path},classes={class_map},size=32", CARD, "cpu")


@pytest.mark.parametrize(("shape", "inputs"), [(["n", 1, "h", "w"], 1), (["n", 3, "h", "w"], 2)])
def test_onnx_inputs_that_are_no_images(tmp_path: Path, shape: list[int | str], inputs: int) -> None:
    path = onnx_file(tmp_path / "judge.onnx", [shape[0], 3, *shape[2:]], inputs)
    if shape[1] == 1:
        import onnx

        model = onnx.load(str(path))
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
        model.graph.initializer[0].CopyFrom(
            onnx.numpy_helper.from_array(np.ones((4, 1, 1, 1), np.float32), "weight")
        )
        onnx.save(model, str(path))
    with pytest.raises(UsageError, match=r"one float input \(N, 3, H, W\)"):
        open_adapter(f"onnx:{path}", CARD, "cpu")


def test_a_file_that_is_no_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    (tmp_path / "judge.onnx").write_bytes(b"no model")
    with pytest.raises(UsageError, match="expected an ONNX file") as caught:
        open_adapter(f"onnx:{tmp_path}/judge.onnx", CARD, "cpu")
    assert "\n" not in str(caught.value)

"""What reads files or words of others: for each reader valid inputs, how they are changed, how it is called.

A reader may refuse with the project's own errors in one line; `baselines` knows nothing of `bench` and raises
`ValueError`, which its callers turn into that line.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from caffe_files import SMALL, caffemodel, fcn8s_weights
from example_card import example_card
from hypothesis import strategies as st
from mutations import (
    as_json,
    as_toml,
    changed_bytes,
    changed_parts,
    changed_tree,
    pack_png,
    pack_tar,
    unpack_png,
    unpack_tar,
    words,
    zip_of,
)
from noise_pairs import noise_pairs
from PIL import Image

from baselines.checksummed import load_checked, save_checked
from baselines.settings import TestSettings, TrainingSettings
from baselines.trainer import Trainer
from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint
from baselines.variants import parse_variant
from bench.core.errors import BenchError, UsageError
from bench.core.state_dict import WeightsError, read_state_dict
from bench.data import archives, cache, cards, image_file
from bench.data import image_folder as plain
from bench.data.acquire import download, verify
from bench.data.layouts import list_tables, lists, parquet
from bench.data.types import ClassInfo
from bench.gate.baseline import read_baseline
from bench.records import record as records
from bench.scoring.judges import caffe_fcn8s, class_map
from bench.scoring.judges import external as adapters
from bench.scoring.judges import external_hf as judge_hf
from bench.scoring.judges import trained as store
from bench.scoring.metrics import set_features as features
from bench.spec import given, trained
from bench.spec.expand import parse_sets, resolve_grid
from bench.spec.run_spec import DataSpec, RunSpec
from bench.spec.variants import get_variant, read_variants
from bench.stages.imported import match as matching

TESTS = Path(__file__).parents[1]
SMALL_NET = TrainingSettings(steps=3, size_px=32, base_filters=1)


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        inputs: strategy of what it is given: bytes of a file, or anything else.
        read: called with the file, or with the input itself where `file` is empty.
        file: name of the file that the bytes are written to.
        refusals: what it may raise.
    """

    inputs: st.SearchStrategy[Any]
    read: Callable[[Any], object]
    file: str = ""
    refusals: tuple[type[Exception], ...] = (BenchError,)


def _made(write: Callable[[Path], object], name: str = "made") -> bytes:
    """What `write` puts into a file."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def _json(seeds: list[Any]) -> st.SearchStrategy[bytes]:
    """Trees changed, and texts changed."""
    return changed_tree(seeds).map(as_json) | changed_bytes([as_json(seed) for seed in seeds])


def _toml(seeds: list[Any], texts: list[bytes] | None = None) -> st.SearchStrategy[bytes]:
    return changed_tree(seeds).map(as_toml) | changed_bytes(texts or [as_toml(seed) for seed in seeds])


# --- images and archives -----------------------------------------------------------------------------


def _images() -> st.SearchStrategy[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 18, 3)).astype(np.uint8)
    rgb = Image.fromarray(pixels)
    sixteen = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = [
        _made(lambda path, image=image, kind=kind, more=more: image.save(path, kind, **more))
        for image, kind, more in (
            (rgb, "PNG", {}), (rgb.convert("P"), "PNG", {}), (rgb.convert("L"), "PNG", {"exif": exif}),
            (sixteen, "PNG", {}), (rgb.convert("RGBA"), "PNG", {}), (rgb, "JPEG", {"exif": exif}),
            (rgb, "JPEG", {"progressive": True}), (rgb.convert("CMYK"), "JPEG", {}), (rgb, "BMP", {}),
            (rgb, "TIFF", {}), (sixteen, "TIFF", {"compression": "tiff_lzw"}), (rgb, "WEBP", {}),
            (rgb, "TIFF", {"compression": "jpeg"}), (rgb, "WEBP", {"lossless": True}), (rgb, "PPM", {}),
            (rgb.convert("F"), "TIFF", {}),
        )
    ]  # fmt: skip
    arrays = [pixels, pixels.astype(np.float32), pixels[..., 0].astype(np.int64)]
    seeds += [_made(lambda path, array=array: np.save(path, array), "x.npy") for array in arrays]
    deep = pixels.astype(np.uint16) * 257
    seeds.append(_made(lambda path: tifffile.imwrite(path, deep, photometric="rgb")))
    return changed_bytes(seeds) | changed_parts(seeds[:5], unpack_png, pack_png)


def _image(path: Path) -> None:
    about, image = image_file.header(path), image_file.decode(path)
    assert (about.kind, about.size) == (image.kind, image.size)
    list(plain.read_images([path], size_px=8, channels=3, sample_type="uint8", nearest=False))


def _tar(path: Path) -> None:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as made:
        for name, kind in (("a", b"0"), ("d", b"5"), ("d/" + "x" * 120, b"0"), ("l", b"2"), ("ü", b"0")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, 3 if kind == b"0" else 0
            made.addfile(entry, io.BytesIO(b"abc"))


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("a/b.txt", "a/c/", "ü"):
            made.writestr(name, "content" * 9 if not name.endswith("/") else "")


def _extract(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "into"
        into.mkdir()
        try:
            archives.extract(path, into)
        finally:
            assert [found.name for found in Path(folder).iterdir()] == ["into"]
            assert not any(found.is_symlink() for found in into.rglob("*"))


def _pair_lists() -> st.SearchStrategy[bytes]:
    rows = [{"source": "a.png", "target": "b.png", "split": split} for split in ("train", "test", "train")]
    texts = [b"source,target,split\na.png,b.png,train\nb.png,a.png,test\n", b"a.png;b.png\n" * 5]
    return _json([rows, {"train": rows, "test": rows}]) | changed_bytes(texts)


def _pair_list(path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(path.parent / name)
    for ending in list_tables.ENDINGS:
        (one := path.with_name(f"list{ending}")).write_bytes(path.read_bytes())
        try:
            found = lists.collect(PAIRS_CARD, one)
        except BenchError:
            continue
        names = {"a.png", "b.png"}
        assert all(file.name in names for pairs in found.splits.values() for p in pairs for file in p.files)


def _image_table(path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    png = _made(lambda p: Image.new("RGB", (8, 8)).save(p, "PNG"))
    cells = [{"bytes": png, "path": f"{number}.png"} for number in range(6)]
    pq.write_table(pa.table({"imageA": cells, "imageB": cells, "n": list(range(6))}), path)


def _write_out(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (into := Path(folder) / "into").mkdir()
        if parquet.columns_of(PAIRS_CARD, path) is None:
            return
        parquet.write_out(PAIRS_CARD, [path], path, into)
        assert [found.name for found in Path(folder).iterdir()] == ["into"]


# --- documents -----------------------------------------------------------------------------------------

CARD = example_card(
    name="mine", classes=tuple(ClassInfo(name, (i, 0, 0), i) for i, name in enumerate(("road", "sky", "car")))
)  # fmt: skip
PAIRS_CARD = example_card(
    domains=("source", "target"), direction="source2target", splits={"train": "train", "test": "test"}
)
_CARD = {
    "name": "mine", "title": "Mine", "version": "1", "licence": "none", "homepage": "", "size_px": 64,
    "domains": ["photo", "labels"], "roles": ["photo", "labels"], "direction": "labels2photo",
    "layouts": ["pairs", "cmp"], "how_to_get": "ask", "class_policy": "absent-is-zero",
    "splits": {"train": "train", "test": ["val", "test"]},
    "options": {"cmp_fold": 5, "training": {"epochs": 2}},
    "classes": [
        {"name": "road", "colour": [1, 2, 3], "train_id": 0, "id": 7}, {"name": "x", "colour": [0, 0, 0]}
    ],
    "urls": [{"url": "https://example.org/x.tgz", "sha256": "0" * 64}],
}  # fmt: skip
_VARIANTS = {
    "variants": {
        "soft": {"base": "pix2pix", "lambda_l1": 10, "dropout": 0.1},
        "own": {"generator": "encdec", "adversarial": "none", "receptive_field": "none", "lambda_gan": 0},
    }
}


def _card(path: Path) -> None:
    card = cards.read_card(path)
    for name in ("train", "test"):
        folders = card.splits[name]
        for folder in folders if isinstance(folders, (list, tuple)) else [folders]:
            if isinstance(folder, str):  # else how many images are drawn
                assert (path.parent / folder).resolve().is_relative_to(path.parent.resolve())


def _variants(path: Path) -> None:
    data = DataSpec("d", "a2b", "paired", 5, 5, "x", "y")
    declared = list(read_variants(path).values())
    for run in resolve_grid(data, declared, [0], {"steps": 1, "size_px": 64}, TestSettings(), {}, None):
        assert "/" not in run.id


def _record() -> dict[str, Any]:
    spec = {"data": {"name": "d", "direction": "a2b"}, "seed": 3, "training": {"size_px": 64}}
    result = records.MetricResult("ssim", 0.5, "max", 100, {"version": 1}, interval=(0.3, 0.4))
    record = records.RunRecord(
        id="d-l1", kind="run", label="l1", spec=spec, status="finished", results={"ssim": result},
        details={"spectrum": {"frequency": [1], "ratio": [1.0]}, "per_class_iou": {"road": None}},
        history=[{"step": 1, "loss": 0.5}], timings={"train": 1.5}, environment={"packages": {"torch": "2"}},
        gallery=records.GalleryFiles(("a",), "predictions/x", "s", "t"), created="2026",
    )  # fmt: skip
    folder = Path(tempfile.mkdtemp())
    raw: dict[str, Any] = json.loads(records.write_record(folder, record).read_text())
    return raw


def _read_record(path: Path) -> None:
    record = records.read_record(path)
    assert records.per_image_path(path.parent, record.id).parent.parent == path.parent
    _ = record.dataset, record.direction, record.seed


def _parquet(path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"name": ["a", "b"], "ssim": [0.1, None], "n": [1, 2]}).to_parquet(path, index=False)


def _spec() -> dict[str, Any]:
    data = DataSpec("d", "a2b", "paired", 5, 5, "x", "y")
    return RunSpec(data, parse_variant("l1+cgan"), 0, SMALL_NET, TestSettings()).to_dict()


def _plans(path: Path) -> None:
    folder = path.parent / "runs" / "x"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_bytes(path.read_bytes())
    (folder / "checkpoint.safetensors").touch()
    trained.plans_of(path.parent, [f"d={path.parent / 'nowhere'}"])


# --- weights -------------------------------------------------------------------------------------------


def _checkpoint(path: Path) -> None:
    variant = parse_variant("l1")
    from baselines.build import build_generator

    generator = build_generator(variant, SMALL_NET, 1, 1)
    save_checkpoint(path, Checkpoint(generator, variant, SMALL_NET, 1, "uint8", "bicubic", "uint8", "id"))


@functools.cache
def _trainer() -> Trainer:
    pairs = noise_pairs(2, SMALL_NET.load_size_px, (1, 1))
    return Trainer(parse_variant("l1+cgan"), SMALL_NET, pairs, 0, torch.device("cpu"))


def _state(path: Path) -> None:
    trainer = _trainer()
    if trainer.steps_done == 0:
        trainer.step()
    trainer.save(path, "id")


def _checked(write: Callable[[Path], None]) -> st.SearchStrategy[bytes]:
    """Bytes changed; and descriptions and tensors changed under a checksum that is right."""
    whole = _made(write)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x").write_bytes(whole)
        tensors, about = load_checked(Path(folder) / "x")
    names = sorted(tensors)

    @st.composite
    def lying(draw: st.DrawFn) -> bytes:
        held, name = dict(tensors), draw(st.sampled_from(names))
        match draw(st.sampled_from(["keep", "drop", "shape", "type", "nan"])):
            case "drop":
                del held[name]
            case "shape":
                held[name] = torch.zeros(draw(st.sampled_from([(), (0,), (1,), (1, 2, 3)])))
            case "type":
                held[name] = held[name].to(draw(st.sampled_from([torch.float16, torch.int64, torch.bool])))
            case "nan":
                held[name] = torch.full(held[name].shape, float("nan"))
        changed = draw(changed_tree([about]))
        try:
            json.dumps(changed)
        except (TypeError, ValueError, RecursionError):
            changed = about
        return _made(lambda path: save_checked(path, held, changed if isinstance(changed, dict) else about))

    return changed_bytes([whole]) | lying()


def _judge_store() -> st.SearchStrategy[bytes]:
    unpack, pack = zip_of(["meta.json", "weights.safetensors"])
    from safetensors.torch import save_file

    from bench.scoring.judges.train_network import build_network
    from bench.scoring.metrics.lite0_features import weights_hash

    weights = {name: value.contiguous() for name, value in build_network("fcn-small", 3).state_dict().items()}
    meta = {
        "network": "fcn-small", "size_px": 32, "data_key": "k", "seed": 0, "classes": ["a", "b", "c"],
        "recipe": {"steps": 1}, "hash": weights_hash(weights, store._PREPROCESSING),
    }  # fmt: skip
    stored = _made(lambda path: save_file(weights, path))
    trees = changed_tree([meta]).map(lambda tree: pack([as_json(tree), stored]))
    return trees | changed_parts([pack([as_json(meta), stored])], unpack, pack)


def _load_judge(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        for name in ("meta.json", "weights.safetensors"):
            (Path(folder) / name).write_bytes(archive.read(name))
        store._load(Path(folder), "fcn-small", 3, "cpu")


def _state_dicts() -> st.SearchStrategy[bytes]:
    state = {"a.weight": torch.randn(3, 2), "b": torch.arange(4), "c": torch.zeros(2, dtype=torch.bool)}
    new = _made(lambda path: torch.save(state, path), "archive")
    old = _made(lambda path: torch.save(state, path, _use_new_zipfile_serialization=False))
    with zipfile.ZipFile(io.BytesIO(new)) as archive:
        unpack, pack = zip_of(archive.namelist())
    return changed_bytes([old, new]) | changed_parts([new], unpack, pack)


def _torchscript() -> st.SearchStrategy[bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.trace(torch.nn.Conv2d(3, 3, 1).eval(), torch.zeros(1, 3, 8, 8))
        whole = _made(lambda path: torch.jit.save(network, str(path)), "net.pt")
    return changed_bytes([whole])  # a program with right checksums is run, and may crash torch


def _onnx() -> st.SearchStrategy[bytes]:
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, [3, 3, 1, 1], np.eye(3, dtype=np.float32).ravel())
    inputs = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])
    outputs = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 16, 16])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])], "g", [inputs], [outputs], [weight]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return changed_bytes([model.SerializeToString()])


def _judge(kind: str) -> Callable[[Path], object]:
    card = replace(CARD, size_px=16)
    return lambda path: adapters.open_adapter(f"{kind}:{path}", card, "cpu")


def _caffe(path: Path) -> None:
    caffe_fcn8s.load_fcn8s(path)


def _caffemodels() -> st.SearchStrategy[bytes]:
    weights = fcn8s_weights((1,) * len(SMALL), outputs=2)
    seeds = [
        caffemodel(weights),
        caffemodel(weights, v1=True, legacy=True),
        caffemodel(weights, packed=False),
    ]
    return changed_bytes(seeds)


# --- caches --------------------------------------------------------------------------------------------


def _decoded() -> st.SearchStrategy[bytes]:
    arrays = [_made(lambda path: np.save(path, np.zeros((2, 4, 4, 3), np.uint8)), "x.npy") for _ in range(2)]
    unpack, pack = zip_of(["meta.json", "source.npy", "target.npy"])
    meta = {"arrays": ["source", "target"], "void_share": 0.5}
    trees = changed_tree([meta]).map(lambda tree: pack([as_json(tree), *arrays]))
    return trees | changed_parts([pack([as_json(meta), *arrays])], unpack, pack)


def _open_decoded(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        cache._open(Path(folder), "key", ("a", "b"))


def _kept_features() -> st.SearchStrategy[bytes]:
    whole = _made(lambda path: np.savez(path, features=np.zeros((2, 3), np.float32)), "x.npz")
    unpack, pack = zip_of(["features.npy"])
    return changed_bytes([whole]) | changed_parts([whole], unpack, pack)


# --- words ---------------------------------------------------------------------------------------------

_SETS = words(
    ["lambda_l1", "lambda_gan", "dropout", "steps", "size_px", "lr", "jitter", "receptive_field", "norm",
     "=", ",", "1", "10", "0.5", "nan", "inf", "-1", "true", "full", "none", "batch", "9" * 5000, "1e999"]
)  # fmt: skip


def _sets(assignments: list[str]) -> None:
    data = DataSpec("d", "a2b", "paired", 5, 5, "x", "y")
    sweeps = parse_sets(assignments)
    training = {"steps": 1, "size_px": 64, "batch_size": 1}
    variants = [parse_variant("l1+cgan"), parse_variant("l1")]
    for run in resolve_grid(data, variants, [0], training, TestSettings(), sweeps, None):
        assert run.hash in run.id


def _names(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, sides = Path(folder), []
        for side, ending in (("p", "_fake_B"), ("t", "_real_B")):
            (root / side).mkdir()
            for name in names:
                try:
                    (root / side / f"{name}{ending}.png").touch()
                except (OSError, ValueError):  # no name of a file
                    return
            sides.append(root / side)
        found = {sides[0]: matching.images_of(sides[0], "prediction", "DIR")}
        target = matching.images_of(sides[1], "target", "--target")
        joined = matching.match(found, {"target": target}, allow_missing=True)
        assert len(set(joined.names)) == len(joined.names) == len(joined.predictions[0])


TARGETS: dict[str, Callable[[], Target]] = {
    "images": lambda: Target(_images(), _image, "x.png"),
    "tar archives": lambda: Target(
        changed_parts([_made(_tar)], unpack_tar, pack_tar)
        | changed_bytes([_made(_tar), gzip.decompress(_made(_tar))]),
        _extract, "x.tar.gz",
    ),
    "zip archives": lambda: Target(changed_bytes([_made(_zip)]), _extract, "x.zip"),
    "lists of pairs": lambda: Target(_pair_lists(), _pair_list, "list"),
    "tables of images": lambda: Target(changed_bytes([_made(_image_table)]), _write_out, "train.parquet"),
    "cards": lambda: Target(
        _toml([_CARD], [path.read_bytes() for path in (TESTS.parent / "datasets/cards").glob("*.toml")]),
        _card, "card.toml",
    ),
    "variant files": lambda: Target(_toml([_VARIANTS]), _variants, "v.toml"),
    "class maps": lambda: Target(
        _toml([{"road": "road", "1": 2, "sky": 1}]),
        lambda path: class_map.class_table(CARD, 3, ["road", "sky", "x"], path), "c.toml",
    ),
    "records": lambda: Target(_json([_record()]), _read_record, "r.json"),
    "per-image tables": lambda: Target(
        changed_bytes([_made(_parquet)]), records._per_image_checked, "r.parquet"
    ),
    "baselines": lambda: Target(
        _json([json.loads((TESTS / "e2e/baseline.json").read_text())]), read_baseline, "b.json"
    ),
    "manifests": lambda: Target(
        _json([{"schema": 1, "splits": {"train": 1}, "files": {"a.png": "0" * 64}, "size_px": 8}]),
        lambda path: verify.read_manifest(path.parent), "manifest.json",
    ),
    "run specs": lambda: Target(_json([_spec()]), _plans, "s.json"),
    "recorded hashes": lambda: Target(
        changed_bytes([b"0" * 64 + b"  x\n"]),
        lambda path: download.recorded_hash(path.with_name("x")), "x.sha256",
    ),
    "checkpoints": lambda: Target(
        _checked(_checkpoint), lambda path: load_checkpoint(path, torch.device("cpu")), "c.safetensors",
        (ValueError,),
    ),
    "training states": lambda: Target(
        _checked(_state), lambda path: _trainer().restore(path, "id"), "s.safetensors", (ValueError,)
    ),
    "judge store": lambda: Target(_judge_store(), _load_judge, "s.zip", ()),
    "state dicts": lambda: Target(_state_dicts(), read_state_dict, "s.pth", (WeightsError,)),
    "caffemodels": lambda: Target(_caffemodels(), _caffe, "x.caffemodel"),
    "torchscript": lambda: Target(_torchscript(), _judge("torchscript"), "net.pt"),
    "onnx": lambda: Target(_onnx(), _judge("onnx"), "net.onnx"),
    "preprocessor configs": lambda: Target(
        _json([{"do_resize": True, "size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3, "rescale_factor": 0.1, "do_normalize": True}]),
        lambda path: judge_hf._preparation(str(path.parent), True), "preprocessor_config.json",
    ),
    "decoded images": lambda: Target(_decoded(), _open_decoded, "d.zip", ()),
    "kept features": lambda: Target(_kept_features(), lambda path: features._read(path, 2), "f.npz", ()),
    "names of images": lambda: Target(
        st.lists(words(["a", "b", "1", "02", "_fake_B", "_real_A", "_leftImg8bit", " ", "\n"]), max_size=4),
        _names,
    ),
    "--set": lambda: Target(st.lists(_SETS, max_size=3), _sets),
    "variant names": lambda: Target(
        words(["unet", "encdec", ":", "l1", "gan", "cgan", "+", "/", "70", "full", "9" * 5000, "٣"]),
        lambda name: get_variant(name).at_size(64),
    ),
    "--judge": lambda: Target(
        words(["caffe", "hf", "onnx", "torchscript", "torchvision", ":", "=", ",", "fcn_resnet50", "classes",
               "/", "size", "input", "unit", "8", "~", "."]),
        lambda name: adapters.check_adapter(f"{name}" if ":" in name else f"onnx:{name}"),
    ),
    "--seeds": lambda: Target(words(["0", "1", "-", ",", "99", " ", "٣", "9" * 5000]), given.parse_seeds),
}  # fmt: skip
assert UsageError in BenchError.__subclasses__()

"""`bench export`: a generator trained here as a file that other programs run."""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal, get_args

import torch

import baselines.released as released_code
from baselines.layers import Dropout
from baselines.plain import plain
from baselines.sizes import NATIVE, image_size
from baselines.translate import Checkpoint, load_checkpoint
from bench.core.errors import UsageError
from bench.core.files import atomic_path, sha256_file
from bench.stages.models.onnx import METADATA as IN_ONNX
from bench.stages.models.torchscript import METADATA as IN_TORCHSCRIPT

Format = Literal["released", "torchscript", "onnx"]
FORMATS: tuple[str, ...] = get_args(Format)
_OPSET = 17


def export(path: Path, to: Path, form: Format, *, deterministic: bool = False) -> list[str]:
    """Write the generator of a checkpoint to a new file.

    Args:
        path: a run's `checkpoint.safetensors`.
        to: the new file.
        form: "released": a state dict for the released PyTorch code; "torchscript" and "onnx": programs from
            (N, C, H, W) uint8 to (N, C', H, W) uint8.
        deterministic: without dropout and with the batch statistics of training, instead of as at test time.

    Returns:
        what was written, in lines.

    Raises:
        UsageError: for an unusable checkpoint, a file that exists, a generator that the format cannot hold.
    """
    if to.exists():
        raise UsageError(f"expected a new file for --to {to}, found one: choose another")
    if not to.parent.is_dir():
        raise UsageError(f"expected a folder at {to.parent} for --to {to}, found none: make it")
    try:
        checkpoint = load_checkpoint(path, torch.device("cpu"))
    except ValueError as error:
        raise UsageError(str(error)) from None
    about = _about(checkpoint, path, deterministic)
    if form == "released":
        return _released(checkpoint, to, about, deterministic)
    if {checkpoint.source_dtype, checkpoint.target_dtype} != {"uint8"}:
        raise UsageError(f"expected a generator of 8-bit images for --format {form}, found 16 bits")
    about = {**about, "bytes": True, "input": _shape(checkpoint), "precision": "float32"}
    (_torchscript if form == "torchscript" else _onnx)(checkpoint, to, about, deterministic)
    return [
        f"{to}: {form}, uint8 {about['input']} to uint8; {about['dropout']}; {about['statistics']}",
        f"try it: --model NAME={form}:{to}",
    ]


def _about(checkpoint: Checkpoint, path: Path, deterministic: bool) -> dict[str, Any]:
    """What the file's metadata says."""
    has_dropout = any(isinstance(layer, Dropout) for layer in checkpoint.generator.modules())
    on = has_dropout and not deterministic
    batch = checkpoint.variant.norm == "batch"
    frozen = "the running statistics of training" if batch else "each image's own statistics"
    return {
        "run": checkpoint.identity,
        "variant": checkpoint.variant.name,
        "checkpoint_sha256": sha256_file(path),
        "deterministic": deterministic or not has_dropout,
        "dropout": "dropout active, as at test time" if on else "no dropout",
        "statistics": frozen if deterministic else "each image's own statistics, as at test time",
    }


def _shape(checkpoint: Checkpoint) -> str:
    side = _side(checkpoint)
    return f"(N, {checkpoint.source_channels}, {side.height}, {side.width})"


def _side(checkpoint: Checkpoint) -> Any:
    if checkpoint.settings.size_px == NATIVE:
        raise UsageError("expected a generator trained at one size, found native: a graph has one size")
    return image_size(checkpoint.settings.size_px)


def _graph(checkpoint: Checkpoint, deterministic: bool) -> tuple[torch.nn.Module, torch.Tensor]:
    """The network, and an input of its size."""
    network = plain(checkpoint.generator, dropout=not deterministic, running=deterministic)
    side = _side(checkpoint)
    return network, torch.zeros(1, checkpoint.source_channels, side.height, side.width, dtype=torch.uint8)


def _torchscript(checkpoint: Checkpoint, to: Path, about: dict[str, Any], deterministic: bool) -> None:
    network, example = _graph(checkpoint, deterministic)
    with warnings.catch_warnings(), torch.no_grad(), atomic_path(to) as temporary:
        warnings.simplefilter("ignore")  # torch recommends other formats; sizes are meant to be constants
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(temporary), _extra_files={IN_TORCHSCRIPT: json.dumps(about)})


def _onnx(checkpoint: Checkpoint, to: Path, about: dict[str, Any], deterministic: bool) -> None:
    try:
        import onnx
    except ImportError:
        raise UsageError("expected the package onnx, found none: pip install 'pix2pix-bench[onnx]'") from None
    network, example = _graph(checkpoint, deterministic)
    with warnings.catch_warnings(), torch.no_grad(), atomic_path(to) as temporary:
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(temporary),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["source"],
            output_names=["prediction"],
            dynamic_axes={"source": {0: "N"}, "prediction": {0: "N"}},
        )
        written = onnx.load(str(temporary))
        entry = written.metadata_props.add()
        entry.key, entry.value = IN_ONNX, json.dumps(about)
        onnx.save(written, str(temporary))


def _released(checkpoint: Checkpoint, to: Path, about: dict[str, Any], deterministic: bool) -> list[str]:
    """A state dict for `netG.load_state_dict(..., strict=True)` of the released code."""
    channels = int(checkpoint.generator.target_channels)  # type: ignore[arg-type]
    variant = checkpoint.variant
    try:
        form = released_code.released_form(variant, checkpoint.settings, checkpoint.source_channels, channels)
    except ValueError as error:
        raise UsageError(str(error)) from None
    dropped = form.dropout and not deterministic
    options = (
        f"--netG {form.net} --ngf {form.filters} --norm {form.norm} --input_nc {form.source_channels} "
        f"--output_nc {form.target_channels}"
    )
    options += "" if dropped else " --no_dropout"
    options += " --eval" if deterministic and form.norm == "batch" else ""
    words = "dropout as at test time" if dropped else _without(variant.dropout, deterministic)
    told = {**about, "options": options, "dropout": words}
    weights = OrderedDict(released_code.to_released(checkpoint.generator, form))
    # Where torch itself keeps the versions of layers; the released code drops it before it loads.
    weights._metadata = OrderedDict({"": {"version": 1, "bench": told}})  # type: ignore[attr-defined]
    with atomic_path(to) as temporary:
        torch.save(weights, temporary)
    return [
        f"{to}: state dict of {form.words}; {words}; {about['statistics']}",
        f"test.py there makes the same images with {options}; it truncates to bytes, bench rounds",
    ]


def _without(dropout: float, deterministic: bool) -> str:
    if deterministic or dropout == 0:
        return "no dropout"
    return (
        "no dropout: the run's is not at the place or of the rate of the released code (dropout_at=released)"
    )

"""An external judge: prepares images for its network and maps its classes to the data set's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bench.core.errors import UsageError
from bench.core.files import named_path
from bench.data.types import DatasetCard
from bench.scoring.judges.base import NO_CLASS, in_batches
from bench.scoring.judges.class_map import class_table, read_class_map
from bench.scoring.judges.external import split_options
from bench.scoring.outside_networks import INPUTS, Preparation, standard

OPTIONS = ("classes", "input", "size")
Logits = Callable[[Tensor], Tensor]


def preparation(options: Mapping[str, str], default: Preparation) -> Preparation:
    """`default`, changed by the options `input=bytes|unit|half|imagenet` and `size=PX|own`.

    Raises:
        UsageError: for any other value.
    """
    chosen = default
    if (name := options.get("input")) is not None:
        if name not in INPUTS:
            raise UsageError(f"expected input={'|'.join(INPUTS)} for the judge, found input={name}")
        chosen = Preparation(*INPUTS[name], chosen.size)
    if (size := options.get("size")) is not None:
        if size != "own" and not (size.isascii() and size.isdigit() and 8 <= int(size) <= 8192):
            raise UsageError(f"expected size=own or 8 to 8192 pixels for the judge, found size={size}")
        side = None if size == "own" else (int(size), int(size))
        chosen = Preparation(chosen.scale, chosen.mean, chosen.std, side)
    return chosen


@dataclass(frozen=True)
class ForeignJudge:
    """An external segmentation network; implements `bench.scoring.judges.base.Judge`.

    Attributes:
        name, hash, num_classes, protocol: see `Judge`.
        meta: for the record's details.
        no_class: whether some of its classes are not the data set's.
        prepare: how its input is made.
        table: (C,) int64: train id of each of its outputs, or `NO_CLASS`.
        logits: maps prepared images to (N, C, h, w), on any device.
        device: torch device string of its input.
    """

    name: str
    hash: str
    num_classes: int
    protocol: dict[str, Any]
    meta: dict[str, Any]
    no_class: bool
    prepare: Preparation = field(repr=False)
    table: Tensor = field(repr=False)
    logits: Logits = field(repr=False)
    device: str = "cpu"

    def segment(self, images: Tensor) -> Tensor:
        """Train ids or `NO_CLASS` (N, H, W) int64 on the CPU for (N, 3, H, W) uint8 RGB.

        The logits are resized to the images' own size (bilinear). Then the best class is taken and mapped.
        """
        size = images.shape[-2:]
        parts = [torch.empty(0, *size, dtype=torch.int64)]
        for found in self._run(images):
            enlarged = functional.interpolate(found, size, mode="bilinear", align_corners=False)
            parts.append(self.table[enlarged.argmax(1).cpu()])
        return torch.cat(parts)

    @torch.inference_mode()
    def _run(self, images: Tensor) -> list[Tensor]:
        batches = in_batches(images, self.prepare.size or images.shape[-2:])
        return [self.logits(self.prepare(batch.to(self.device))).float() for batch in batches]


def make_judge(
    name: str,
    weights: str,
    logits: Logits,
    prepare: Preparation,
    card: DatasetCard,
    *,
    options: Mapping[str, str],
    device: str,
    names: Sequence[str] | None = None,
) -> ForeignJudge:
    """Try a network on one black image and make it a judge for the data set's classes.

    Args:
        name: its name in the protocol; not a path.
        weights: hexadecimal digest of its weights.
        logits: see `ForeignJudge`.
        prepare: how its input is made.
        card: the data set's.
        options: `classes` names the class map.
        device: torch device string.
        names: its classes in the order of its outputs, if it gives them.

    Raises:
        UsageError: if it fails on the image, gives no logits, or its classes are not the data set's.
    """
    outputs = _outputs(name, logits, prepare, card.size_px, device)
    path = Path(options["classes"]) if "classes" in options else None
    known = names if names is not None and len(names) == outputs else None
    table = class_table(card, outputs, known, path)
    mapped = hashlib.sha256(json.dumps(table.tolist()).encode()).hexdigest()[:8]
    identity = {"weights": weights, "prepare": asdict(prepare), "table": table.tolist()}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    protocol = {
        "judge": name,
        "judge_hash": digest,
        "judge_weights": weights[:16],
        "judge_input": prepare.describe(),
        "judge_output": "logits enlarged to the picture (bilinear), argmax",
        "judge_classes": f"{outputs} outputs as train ids" if path is None else f"{outputs} mapped, {mapped}",
    }
    return ForeignJudge(
        name=name,
        hash=digest,
        num_classes=len(card.train_classes),
        protocol=protocol,
        meta={"network": name, **protocol},
        no_class=bool((table == NO_CLASS).any()),
        prepare=prepare,
        table=torch.from_numpy(table),
        logits=logits,
        device=device,
    )


def _outputs(name: str, logits: Logits, prepare: Preparation, size_px: int, device: str) -> int:
    """How many classes a network has, by a try on a black image."""
    black = torch.zeros(1, 3, size_px, size_px, dtype=torch.uint8, device=device)
    try:
        with torch.inference_mode():
            found: Any = logits(prepare(black))
    except UsageError:
        raise
    except Exception as error:  # an external network may raise anything
        said = " ".join(str(error).split())[:200]
        raise UsageError(
            f"judge {name} fails on an image of {size_px} px ({type(error).__name__}: {said}): "
            "try `,size=PX`, or another network"
        ) from None
    if not isinstance(found, Tensor) or found.ndim != 4 or len(found) != 1 or not found.is_floating_point():
        shape = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise UsageError(
            f"expected float scores (N, classes, h, w) from judge {name}, found {shape}: "
            "export the network without its argmax"
        )
    return int(found.shape[1])


def file_and_options(rest: str, what: str) -> tuple[Path, dict[str, str]]:
    """The file and the options of "FILE[,classes=MAP][,input=...][,size=...]", after cheap checks.

    Raises:
        UsageError: for a missing file, or unusable options or class maps.
    """
    file, options = split_options(rest, OPTIONS)
    path = existing_file(file, what)
    check_options(options)
    return path, options


def existing_file(text: str, what: str) -> Path:
    """`text` as the path of an existing file.

    Raises:
        UsageError: if it does not exist.
    """
    path = named_path(text)
    if not path.is_file():
        raise UsageError(f"expected {what} at {path}, found no file: correct the name after --judge")
    return path


def check_options(options: Mapping[str, str]) -> None:
    """Refuse, before anything is trained, unusable options and class maps.

    Raises:
        UsageError: as `preparation` and `read_class_map`.
    """
    preparation(options, standard("unit"))
    if "classes" in options:
        read_class_map(Path(options["classes"]))


def needed_package(package: str, extra: str, kind: str) -> None:
    """Refuse a kind of judge if its package is not installed.

    Raises:
        UsageError: with the command that installs it.
    """
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise UsageError(
            f"expected the package {package} for --judge {kind}:, found none: "
            f"pip install 'pix2pix-bench[{extra}]'"
        )

"""`--init-from`: the generator's weights that a training starts from, given as a file.

A copy is kept as OUT/starts/SHA256.safetensors under our names; SHA256 is the hash of the given file. It
is part of the training's settings (`init_from`), and so of the run's hash; the file's path is not. What goes
on later, in another process too, reads the copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from baselines import released
from baselines.build import build_generator
from baselines.checksummed import DamagedFileError, load_checked, save_checked
from baselines.settings import TrainingSettings
from baselines.state import unlike
from baselines.translate import load_checkpoint
from baselines.variants import Variant
from bench.core.errors import UsageError
from bench.core.files import atomic_path, sha256_file
from bench.core.state_dict import WeightsError, read_state_dict
from bench.spec.models import OPTIONS

RELEASED = "released:"


@dataclass(frozen=True)
class Start:
    """Weights of a generator, on the CPU.

    Attributes:
        init_from: "sha256:" and the first 16 hexadecimal digits of the given file's hash.
        words: what it holds, for people.
        weights: name -> tensor, as our generators name them.
    """

    init_from: str
    words: str
    weights: Mapping[str, Tensor]


def open_start(given: str) -> Start:
    """Read `FILE` (a checkpoint of `bench run`) or `released:FILE[,netG=...]` (of the released PyTorch code).

    Raises:
        UsageError: if it holds no generator.
    """
    try:
        if given.startswith(RELEASED):
            where, *options = given.removeprefix(RELEASED).split(",")
            named = dict(_option(one) for one in options)
            weights = read_state_dict(Path(where))
            architecture = released.recognised(weights, named)
            found = released.load(weights, architecture).state_dict()
            return Start(_hash(Path(where)), f"the released code's {architecture.words}", found)
        checkpoint = load_checkpoint(Path(given), torch.device("cpu"))
    except (WeightsError, ValueError) as error:
        hint = "" if given.startswith(RELEASED) else f" ({RELEASED}FILE reads the released code's)"
        raise UsageError(f"--init-from {given}: {error}{hint}") from None
    words = f"the generator of {checkpoint.identity}"
    return Start(_hash(Path(given)), words, checkpoint.generator.state_dict())


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    known = name in OPTIONS["released"] and name != "bytes"  # of images, which are not made here
    if not known or not value or (name == "ngf" and not value.isdecimal()):
        raise ValueError(f"expected options netG=, norm=, dropout= or ngf=, found '{text}'")
    return name, value


def _hash(path: Path) -> str:
    return f"sha256:{sha256_file(path)[:16]}"


def check_start(start: Start, trainings: Iterable[tuple[Variant, TrainingSettings, tuple[int, int]]]) -> None:
    """Refuse a start that is no generator of a training, given as variant, settings and channels.

    Raises:
        UsageError: which layer, which shapes.
    """
    for variant, settings, channels in dict.fromkeys(trainings):  # seeds share one
        with torch.device("meta"):
            wanted = build_generator(variant, settings, *channels).state_dict()
        if (differing := unlike(wanted, start.weights)) is not None:
            name, expected, found = differing
            raise UsageError(
                f"--init-from: expected {expected} of layer {name} for {variant.name} at "
                f"{settings.size_px} px, found {found} in {start.words}: train the same network"
            )


def keep_start(out: Path, start: Start) -> None:
    """Keep the copy that the trainings of an output read, unless it is there."""
    path = _path(out, start.init_from)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            save_checked(temporary, dict(start.weights), {"init_from": start.init_from, "words": start.words})


def read_start(out: Path, init_from: str) -> Start:
    """The start that an output keeps.

    Raises:
        UsageError: if it is missing or damaged.
    """
    path = _path(out, init_from)
    try:
        weights, about = load_checked(path)
    except (OSError, DamagedFileError) as error:
        raise UsageError(
            f"expected the weights that the training starts from in {path}: {error}: `bench run --init-from "
            f"FILE` with the file of {init_from} puts them there"
        ) from None
    return Start(init_from, str(about.get("words")), weights)


def _path(out: Path, init_from: str) -> Path:
    return out / "starts" / f"{init_from.removeprefix('sha256:')}.safetensors"

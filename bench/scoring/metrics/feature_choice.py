"""`--features`: the network in whose features images are compared. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.files import named_path, sha256_file
from bench.scoring.metrics.catalogue import ALL, CATALOGUE, NEIGHBOURS

LITE0, INCEPTION = "lite0", "inception"
IN_FILE = "fd@"  # before the name of the user's network, in the key of the Fréchet distance in its features
_INPUTS = ("unit", "half", "imagenet", "bytes", "uint8")
_FORM = "FILE[,input=unit|half|imagenet|bytes|uint8][,size=PX|own]"


@dataclass(frozen=True)
class FeatureFile:
    """A feature network of the user's.

    Attributes:
        path: a TorchScript file.
        input: what it takes: "unit" [0, 1], "half" [-1, 1], "imagenet" (normalised), "bytes" [0, 255] as
            floats, or "uint8".
        size: side in pixels of the square it takes; None: images as they are.
    """

    path: Path
    input: str = "unit"
    size: int | None = 224

    @property
    def name(self) -> str:
        """The name in keys: the file's, without its ending."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.path.stem).strip("-.").lower() or "network"


def in_words(features: str) -> str:
    """The choice and what it adds, for the dry run."""
    return f"{features_identity(features)}, for {', '.join(keys_of(features))}"


def is_own(features: str) -> bool:
    """Whether the choice is a network that this project brings."""
    return features in (LITE0, INCEPTION)


def feature_file(features: str) -> FeatureFile:
    """The file that a choice other than `lite0` and `inception` names.

    Raises:
        UsageError: for an unknown option or value, or a missing file.
    """
    file, *given = re.split(r",(?=\w+=)", features)
    options: dict[str, str] = {}
    for one in given:
        key, _, value = one.partition("=")
        if key not in ("input", "size") or key in options:
            raise UsageError(f"expected --features {_FORM}, found '{one}'")
        options[key] = value
    kind = options.get("input", "unit")
    size = options.get("size", "own" if kind == "uint8" else "224")
    if kind not in _INPUTS:
        raise UsageError(f"expected input={'|'.join(_INPUTS)} after --features FILE, found input={kind}")
    if kind == "uint8" and size != "own":
        raise UsageError(f"expected size=own with input=uint8, which is not resized, found size={size}")
    if size != "own" and not (size.isascii() and size.isdigit() and 8 <= int(size) <= 2048):
        raise UsageError(f"expected size=own or 8 to 2048 pixels after --features FILE, found size={size}")
    path = named_path(file)
    if not path.is_file():
        raise UsageError(
            f"expected lite0, inception or a TorchScript file after --features, found no file {path}"
        )
    return FeatureFile(path.resolve(), kind, None if size == "own" else int(size))


def distance_key(features: str) -> str:
    """The key of the Fréchet distance in these features."""
    known = {LITE0: "fd_lite0", INCEPTION: "fid"}
    return known[features] if is_own(features) else IN_FILE + feature_file(features).name


def keys_of(features: str) -> tuple[str, ...]:
    """What the choice adds to the metrics: those of neighbours, and the Fréchet distance."""
    return (*(key for key, info in CATALOGUE.items() if info.family == NEIGHBOURS), distance_key(features))


def with_features(metrics: Sequence[str], features: str | None) -> tuple[str, ...]:
    """The metrics with those that `--features` adds; none where some of these are named already.

    Args:
        metrics: the keys that were named; empty = all.
        features: the choice, or None.

    Raises:
        UsageError: for a distance in features that were not chosen.
    """
    adds = () if features is None else keys_of(features)
    if unknown := [key for key in metrics if key.startswith(IN_FILE) and key not in adds]:
        meant = f"--features FILE with a file of that name for {unknown[0]}"
        raise UsageError(f"expected {meant}, found {f'--features {features}' if features else 'none'}")
    if not adds or set(adds) & set(metrics):
        return tuple(metrics)
    return tuple(dict.fromkeys([*(metrics or [ALL]), *adds]))


@cache
def features_identity(features: str) -> str:
    """The choice with a file's content hash in place of its path, for records."""
    if is_own(features):
        return features
    chosen = feature_file(features)
    return f"{chosen.name},{sha256_file(chosen.path)[:16]},input={chosen.input},size={chosen.size or 'own'}"

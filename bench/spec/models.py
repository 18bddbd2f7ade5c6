"""`--model NAME=KIND:WHERE[,OPTION=VALUE...]`: generators that were trained elsewhere, as rows of a grid."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from baselines.settings import TestSettings
from baselines.sizes import NATIVE, Size
from bench.core.errors import UsageError
from bench.core.files import named_path, sha256_file
from bench.records.record import REFERENCE_ROWS
from bench.spec.run_spec import DataSpec, slug

Kind = Literal["released", "torchscript", "onnx", "python"]
ELSEWHERE = "trained elsewhere"
OPTIONS: dict[str, tuple[str, ...]] = {
    "released": ("netG", "norm", "dropout", "ngf", "bytes"),
    "torchscript": ("range", "in", "out"),
    "onnx": ("range", "in", "out"),
    "python": ("out",),
}
_LONGEST = 80


def trained_elsewhere(spec: Mapping[str, Any]) -> bool:
    """Whether the spec of a record is that of a model of `--model`."""
    return bool((spec.get("variant") or {}).get("source") == ELSEWHERE)


@dataclass(frozen=True)
class Model:
    """A generator that was trained elsewhere.

    Attributes:
        name: of its row.
        kind: how it is opened.
        where: its file, or "MODULE:CALLABLE".
        options: as given, sorted by name.
        sha256: of the file; of a callable, of the file that defines its module.
    """

    name: str
    kind: Kind
    where: str
    options: tuple[tuple[str, str], ...]
    sha256: str

    @property
    def option(self) -> dict[str, str]:
        """The options by name."""
        return dict(self.options)

    def to_dict(self) -> dict[str, Any]:
        """What is known of it, for records: no folder of this machine."""
        where = Path(self.where).name  # of a function also, if its module is given by a path
        return {"kind": self.kind, "file": where, "sha256": self.sha256, **self.option}


@dataclass(frozen=True)
class ModelRow:
    """A model on a test split, at one size.

    Its spec claims no training: neither settings nor training pairs.
    """

    model: Model
    data: DataSpec
    size_px: Size
    test: TestSettings

    def to_dict(self) -> dict[str, Any]:
        """As records store it (JSON only)."""
        unseen = {"train_n": 0, "train_fingerprint": "", "val_n": 0, "val_fingerprint": "", "val_limit": 0}
        return {
            "data": replace(self.data, **unseen).to_dict(),  # type: ignore[arg-type]
            "training": {"size_px": self.size_px},
            "test": asdict(self.test),
            "variant": {"name": self.model.name, "source": ELSEWHERE, **self.model.to_dict()},
        }

    @property
    def id(self) -> str:
        """File-name-safe; its hash is over data, size, test settings, options and the file's sha256."""
        content = self.to_dict()
        content["variant"] = {
            k: v for k, v in content["variant"].items() if k not in ("name", "source", "file")
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"{slug(self.data.name)}-{slug(self.model.name)}-{self.size_px}px-{digest}"


def parse_models(given: Sequence[str]) -> tuple[Model, ...]:
    """The models of `--model`; hashes their files.

    Raises:
        UsageError: for a form, kind, option or name that does not fit, or a missing file.
    """
    models = tuple(_parsed(text) for text in given)
    names = [model.name for model in models]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise UsageError(f"expected a name of its own for each --model, found '{twice[0]}' twice")
    return models


def _parsed(text: str) -> Model:
    name, equals, rest = text.partition("=")
    kind, colon, rest = rest.partition(":")
    if not (name.strip() and equals and colon and rest):
        raise UsageError(f"expected --model NAME=KIND:WHERE (r=released:latest_net_G.pth), found '{text}'")
    name = name.strip()
    if not name.isprintable() or len(name) > _LONGEST or name in REFERENCE_ROWS:
        raise UsageError(
            f"expected a printable name of a row for --model, other than {', '.join(REFERENCE_ROWS)}, "
            f"found '{name[:_LONGEST]}'"
        )
    if kind == "folder":
        raise UsageError(
            f"expected a generator for --model, found the folder {rest}: images that exist already are "
            f"scored by `bench score {rest} --target DIR --name {name}`, and compared by `bench compare`"
        )
    if kind not in get_args(Kind):
        raise UsageError(f"expected --model of kind {', '.join(get_args(Kind))}, found '{kind}'")
    where, *parts = rest.split(",")
    place, sha256 = _found(kind, where)
    return Model(name, kind, place, _options(kind, parts), sha256)  # type: ignore[arg-type]


def _options(kind: str, parts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    options = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key not in OPTIONS[kind]:
            known = ", ".join(f"{one}=" for one in OPTIONS[kind])
            raise UsageError(f"expected options of a {kind} model ({known}), found '{part}'")
        options[key] = value
    return tuple(sorted(options.items()))


def _found(kind: str, where: str) -> tuple[str, str]:
    """Where it is, and its sha256."""
    if kind == "python":
        module, colon, name = where.rpartition(":")
        if not colon or not module or not name:
            raise UsageError(f"expected python:MODULE:CALLABLE for --model, found '{where}'")
        return where, sha256_file(module_file(module))
    path = named_path(where)
    if not path.is_file():
        raise UsageError(f"expected a file at {path} for --model, found none: check the path")
    return str(path), sha256_file(path)


def module_file(module: str) -> Path:
    """The file of a module, by its name (the current folder counts) or its path; imports only packages above.

    Raises:
        UsageError: if there is none.
    """
    if module.endswith(".py"):
        if not (path := named_path(module)).is_file():
            raise UsageError(f"expected a Python file at {path} for --model, found none: check the path")
        return path
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise UsageError(f"expected a Python module '{module}' for --model, found none: check name and path")
    return Path(spec.origin)


def model_rows(
    models: Sequence[Model], data: DataSpec, sizes: Sequence[Size], test: TestSettings
) -> list[ModelRow]:
    """Each model at each size.

    Raises:
        UsageError: for images with sizes of their own.
    """
    if models and NATIVE in sizes:
        raise UsageError("expected one size for all images with --model, found native: give --size")
    return [ModelRow(model, data, size_px, test) for model in models for size_px in sizes]

"""Judges that the project did not train, by name: `--judge KIND:REST`, such as `caffe:weights.caffemodel`.

Each kind is a module with two functions: `check(rest)`, cheap, runs before anything is trained, and
`open_judge(rest, card, device)` returns a `base.Judge`. A kind for the classes of one data set only also has
`check_card(card)`. Modules are imported when they are named. REST may end in options,
`caffe:FILE,policy=guarded`: see `split_options`.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench.core.errors import UsageError
from bench.core.files import named_path, sha256_file

if TYPE_CHECKING:
    from bench.data.types import DatasetCard
    from bench.scoring.judges.base import Judge

KINDS: dict[str, str] = {
    "caffe": "bench.scoring.judges.paper_fcn",
    "hf": "bench.scoring.judges.external_hf",
    "onnx": "bench.scoring.judges.external_onnx",
    "torchscript": "bench.scoring.judges.external_torchscript",
    "torchvision": "bench.scoring.judges.external_torchvision",
}


def is_adapter(spec: str) -> bool:
    """Whether a judge's name means an external judge: it has a colon."""
    return ":" in spec


def open_adapter(spec: str, card: DatasetCard, device: str) -> Judge:
    """The judge named by `spec`, ready on `device` (a torch device string).

    Raises:
        UsageError: for an unknown kind, an unknown option, or a file that is not such a judge.
    """
    module, rest = _module(spec)
    judge: Judge = module.open_judge(rest, card, device)
    return judge


def check_adapter(spec: str) -> None:
    """Refuse, before anything is trained, a wrong kind, wrong options and missing files.

    Raises:
        UsageError: as `open_adapter`.
    """
    module, rest = _module(spec)
    module.check(rest)


def check_card(spec: str, card: DatasetCard) -> None:
    """Refuse, before anything is trained, a data set with classes that the judge does not know.

    Raises:
        UsageError: as `open_adapter`.
    """
    module, _ = _module(spec)
    if hasattr(module, "check_card"):
        module.check_card(card)


@cache
def identity(spec: str) -> str:
    """`spec` with each file's path replaced by its content hash, for records."""
    kind, _, rest = spec.partition(":")
    words = [word.rpartition("=") for word in rest.split(",")]
    return f"{kind}:{','.join(key + sign + _content(value) for key, sign, value in words)}"


def _content(name: str) -> str:
    path = named_path(name)
    return sha256_file(path)[:16] if path.is_file() else name


def split_options(rest: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """Split "FILE,key=value,..."; a comma without a `key=` after it belongs to the file.

    Returns:
        the file (or name), and the options.

    Raises:
        UsageError: if the file is missing, or an option is unknown or given twice.
    """
    parts = rest.split(",")
    options: dict[str, str] = {}
    while len(parts) > 1 and "=" in parts[-1]:
        key, _, value = parts.pop().partition("=")
        if key not in known or key in options:
            named = ", ".join(sorted(known)) or "none"
            raise UsageError(f"expected each judge option once, of: {named}; found '{key}={value}'")
        options[key] = value
    name = ",".join(parts)
    if not name:
        raise UsageError("expected a file or name after the colon of --judge KIND:FILE, found nothing")
    return name, options


def _module(spec: str) -> tuple[Any, str]:
    kind, _, rest = spec.partition(":")
    if kind not in KINDS:
        known = ", ".join(f"{name}:" for name in sorted(KINDS))
        raise UsageError(f"unknown kind of judge '{kind}:': expected one of {known}")
    return import_module(KINDS[kind]), rest

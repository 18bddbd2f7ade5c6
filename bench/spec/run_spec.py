"""From names, flags and TOML to run specs: what is trained on what, and the hash that names it.

Imports no torch, so that a grid is resolved, listed or refused at once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from baselines.documents import stated
from baselines.settings import TestSettings, TrainingSettings
from baselines.variant import gathered
from baselines.variants import Variant
from bench.core.decode import decode


@dataclass(frozen=True)
class DataSpec:
    """Which images a run saw.

    Attributes:
        name: the data set's.
        direction: "<source domain>2<target domain>".
        source: "paired", or how the source was derived ("gray", "edges").
        train_n, test_n: pairs used of each split.
        train_fingerprint, test_fingerprint: content hashes of those pairs.
        val_n, val_fingerprint: the same of validation pairs that `--val-share` holds out of the training
            pairs. Without it 0 and "", and left out of documents: a `val` split of the data set's own
            changes no training.
        val_limit: validation pairs used of the data set's own `val` split (`--val-limit`). 0: all, and left
            out of documents.
        label_values: what gray label files were said to hold (`--label-values`, or the card). Where nothing
            was said it is "", and left out of documents.
        ranges: domain, lowest and highest value, and how that is known, of each side that is read as levels
            of a range (`bench.data.measured`). Left out of documents where there is none.
        unpaired: a source and the target beside it have nothing to do with each other. Left out of documents
            where they are pairs.
    """

    name: str
    direction: str
    source: str
    train_n: int
    test_n: int
    train_fingerprint: str
    test_fingerprint: str
    val_n: int = 0
    val_fingerprint: str = ""
    unpaired: bool = False
    label_values: str = ""
    ranges: tuple[tuple[str, float, float, str], ...] = ()
    val_limit: int = 0

    def turned(self) -> DataSpec:
        """The same pairs in the opposite direction; their hashes know no direction."""
        left, _, right = self.direction.partition("2")
        return replace(self, direction=f"{right}2{left}")

    def to_dict(self) -> dict[str, Any]:
        """As records store it (JSON only)."""
        content = asdict(self)
        if not self.val_n:
            del content["val_n"], content["val_fingerprint"]
        for name in ("unpaired", "label_values", "ranges", "val_limit"):
            if not content[name]:
                del content[name]
        return content


@dataclass(frozen=True)
class StepChoice:
    """`--choose best:METRIC`: the step whose generator is best on the validation images.

    A named departure: the paper takes the last step.

    Attributes:
        metric: key of the metric that decides.
        every: steps between two candidates; the last step is one too.
        val_n, val_fingerprint: number of validation pairs, and their content hash.
    """

    metric: str
    every: int
    val_n: int
    val_fingerprint: str


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's result, except the machine: equal specs have equal hashes.

    `swept` and `also` only describe it: the training fields that vary in its grid, and other variant
    names of the grid that mean the same run at this size ("imagegan" at 64 px is "l1+cgan"). `choice` is
    None where the last step is taken, and then left out of documents and hash, as `back` is if False.

    With `back`, it is the other generator of an unpaired training, which translates from target to source:
    `data` has the direction of its images, and `turned` is the spec of the training.
    """

    data: DataSpec
    variant: Variant
    seed: int
    training: TrainingSettings
    test: TestSettings
    swept: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    choice: StepChoice | None = None
    back: bool = False

    def turned(self) -> RunSpec:
        """The other generator of the same unpaired training, in the opposite direction."""
        return replace(self, data=self.data.turned(), back=not self.back)

    def to_dict(self) -> dict[str, Any]:
        """As records store it (JSON only)."""
        content = {name: value for name, value in asdict(self).items() if name not in ("swept", "also")}
        content |= {"variant": stated(self.variant), "training": stated(self.training)}
        content["data"] = self.data.to_dict()
        if self.choice is None:
            del content["choice"]
        if not self.back:
            del content["back"]
        return content

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> RunSpec:
        """The spec that `to_dict` wrote, with an optional "swept" and "also".

        Raises:
            ValueError: if `content` is not a spec.
        """
        return decode(with_parts(content), RunSpec)

    @cached_property
    def hash(self) -> str:
        """12 hexadecimal digits over all fields; stable across processes and machines."""
        content = self.to_dict()
        words = {"name", "source"}  # not settings; nor is a path, whose content's sha256 stands beside it
        content["variant"] = {
            name: value
            for name, value in content["variant"].items()
            if name not in words and not name.endswith("_file")
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """Its name in tables: the variant, the swept training fields, and the direction of a way back."""
        fields = {**asdict(self.training), "levels": self.training.generator_levels}
        said = [f"{name}={fields[name]}" for name in self.swept]
        name = f"{self.variant.name}[{','.join(said)}]" if said else self.variant.name
        return f"{name} (back: {self.data.direction})" if self.back else name

    @property
    def id(self) -> str:
        """File-name-safe: "cityscapes-l1+cgan-s0-1f2e3d4c5b6a"."""
        return f"{slug(self.data.name)}-{slug(self.label)}-s{self.seed}-{self.hash}"


def with_parts(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a spec with the fields of the variant's parts where `Variant` has them."""
    held = spec.get("variant")
    return {**spec, "variant": gathered(held)} if isinstance(held, Mapping) else dict(spec)


def slug(text: str) -> str:
    """`text` with everything except letters, digits, "+", "_" and "." as "-"; at most 60 characters."""
    return re.sub(r"[^A-Za-z0-9+_.]+", "-", text).strip("-.")[:60] or "x"

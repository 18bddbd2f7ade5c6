"""Claims as data: a sentence, and the comparisons between variants that would bear it out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta

from bench.core import plugins
from bench.core.decode import decode
from bench.core.documents import DocumentError, read_toml
from bench.core.errors import UsageError, unknown_name
from bench.core.resources import resource_dir
from bench.records import renamed
from bench.records.panel import SCORES as FCN_SCORES
from bench.records.record import REFERENCE_ROWS
from bench.scoring.metrics.catalogue import CATALOGUE
from bench.spec.variants import get_variant

T = TypeVar("T")
Relation = Literal["above", "below", "at least", "at most", "equal", "closer"]
Judges = Literal["first", "every"]
CHANCE = "chance"


@dataclass(frozen=True)
class Comparison:
    """What must be seen of one metric.

    Attributes:
        a: variant or reference row.
        relation: "above", "below": by more than the margin; "at least", "at most": not worse than b by the
            margin or more; "equal": within the margin; "closer": to the metric's target, by more than the
            margin.
        b: variant, reference row, a number, or "chance": what a judge that always says the same class gets.
        metric: its key.
        margin: in the metric's unit.
    """

    a: str
    relation: Relation
    b: str | float
    metric: str
    margin: float = 0.0


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        id: for `--require`.
        sentence, place: what is claimed, and where.
        comparisons: what it comes down to.
        combine: "all" or "any" of them must be borne out.
        judges: "first": by the judge of the table; "every": by every judge of the panel.
        dataset, direction: what it is about; None: anything.
        training: fields that the runs' training must have, such as {"batch_size": 10}.
        images: variants whose images show it.
    """

    id: str
    sentence: str
    place: str
    comparisons: tuple[Comparison, ...]
    combine: Literal["all", "any"] = "all"
    dataset: str | None = None
    direction: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    judges: Judges = "first"

    @property
    def asks_judges(self) -> bool:
        """Whether one of its comparisons is of an FCN score."""
        return any(one.metric in FCN_SCORES for one in self.comparisons)


def load_ledger(files: Sequence[Path] = (), labels: Collection[str] = ()) -> list[Claim]:
    """The project's own claims, then those of `files`.

    Args:
        files: TOML in the form of reports/published/claims.toml.
        labels: rows of the records, which claims may name beside the variants of the grammar.

    Raises:
        UsageError: where a file cannot be read, or names what is not known: key, metric, variant, relation.
    """
    claims: list[Claim] = []
    for path in (resource_dir("reports/published") / "claims.toml", *files):
        for claim in _read(path, labels):
            if claim.id in {known.id for known in claims}:
                raise UsageError(f"{path}: expected ids that differ, found '{claim.id}' twice: rename one")
            claims.append(claim)
    return claims


@dataclass(frozen=True)
class _Comparisons:
    """As they are written: one for every combination of what `a`, `b` and `metric` list."""

    a: str | list[str]
    relation: Relation
    b: str | float | list[str | float]
    metric: str | list[str]
    margin: Annotated[float, Meta(ge=0, description="a margin of 0 or more")] = 0.0


@dataclass(frozen=True)
class _Claim:
    """As it is written; `pictures` is an older name of `images`."""

    id: str
    sentence: str
    place: str
    comparisons: Annotated[list[_Comparisons], Meta(min_length=1, description="[[claims.comparisons]]")]
    combine: Literal["all", "any"] = "all"
    dataset: str | None = None
    direction: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    images: str | list[str] = field(default_factory=list)
    pictures: str | list[str] = field(default_factory=list)
    judges: Judges = "first"


@dataclass(frozen=True)
class _Ledger:
    claims: list[_Claim]


def _read(path: Path, labels: Collection[str]) -> list[Claim]:
    try:
        written = decode(read_toml(path), _Ledger).claims
    except DocumentError as error:
        raise UsageError(f"expected claims (TOML) with tables [[claims]] in {path}: {error}") from None
    return [
        _claim(one, f"{path}, claim {number} ('{one.id}')", labels) for number, one in enumerate(written, 1)
    ]


def _claim(written: _Claim, where: str, labels: Collection[str]) -> Claim:
    comparisons = tuple(one for given in written.comparisons for one in _comparisons(given, where, labels))
    images = tuple(_row(name, where, labels) for name in _listed(written.images or written.pictures))
    said = {name: value for name, value in vars(written).items() if name != "pictures"}
    claim = Claim(**{**said, "comparisons": comparisons, "images": images})
    if claim.judges == "every" and not claim.asks_judges:
        raise UsageError(
            f"{where}: expected a comparison of a metric fcn_* with judges = 'every', found none"
        )
    return claim


def _comparisons(given: _Comparisons, where: str, labels: Collection[str]) -> list[Comparison]:
    made = []
    for a, b, name in itertools.product(_listed(given.a), _listed(given.b), _listed(given.metric)):
        metrics = [*CATALOGUE, *plugins.names("metrics")]
        metric = name if name in metrics else renamed.metric(name)
        if metric not in metrics:
            raise UsageError(f"{where}: {unknown_name('metric', metric, metrics, 'bench list metrics')}")
        if b == CHANCE and not metric.endswith("_class_acc"):
            raise UsageError(f"{where}: expected a metric *_class_acc for 'chance', found {metric}")
        has_target = not isinstance(getattr(CATALOGUE.get(metric), "goal", "max"), str)
        if given.relation == "closer" and (isinstance(b, float) or not has_target):
            raise UsageError(f"{where}: expected two rows and a metric with a target for 'closer'")
        other = b if isinstance(b, float) or b == CHANCE else _row(str(b), where, labels)
        made.append(Comparison(_row(a, where, labels), given.relation, other, metric, given.margin))
    return made


def _row(name: str, where: str, labels: Collection[str]) -> str:
    """The label of a row; variants by their canonical name, but "/full" stays: it depends on the size."""
    if name in REFERENCE_ROWS or name in labels:
        return name
    try:
        return get_variant(name).name
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _listed(value: T | list[T]) -> list[T]:
    return value if isinstance(value, list) else [value]

"""Claims as data: a sentence, and the comparisons between variants that would bear it out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bench.core import plugins
from bench.core.documents import DocumentError, read_toml
from bench.core.errors import UsageError, unknown_name
from bench.core.resources import resource_dir
from bench.records import renamed
from bench.records.record import REFERENCE_ROWS
from bench.scoring.metrics.catalogue import CATALOGUE
from bench.spec.variants import get_variant

Relation = Literal["above", "below", "at least", "at most", "equal", "closer"]
CHANCE = "chance"
_CLAIM = {"id", "sentence", "place", "combine", "dataset", "direction", "training", "images", "comparisons"}
_COMPARISON = {"a", "relation", "b", "metric", "margin"}


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


def _read(path: Path, labels: Collection[str]) -> list[Claim]:
    try:
        content = read_toml(path)
    except DocumentError as error:
        raise UsageError(f"expected claims (TOML) in {path}: {error}") from None
    entries = content.get("claims")
    if set(content) != {"claims"} or not isinstance(entries, list) or not entries:
        raise UsageError(f"expected tables [[claims]] and nothing else in {path}, found {sorted(content)}")
    return [_claim(_renamed(one), f"{path}, claim {number}", labels) for number, one in enumerate(entries, 1)]


def _renamed(entry: Any) -> Any:
    """A claim with today's names (`bench.records.renamed`)."""
    return renamed.protocol(entry) if isinstance(entry, dict) else entry


def _claim(entry: Any, where: str, labels: Collection[str]) -> Claim:
    _keys(entry, _CLAIM, {"id", "sentence", "place", "comparisons"}, where)
    where = f"{where} ('{entry['id']}')"
    for key in ("id", "sentence", "place", "dataset", "direction"):
        if not isinstance(entry.get(key, ""), str):
            raise UsageError(f"{where}: expected text for {key}, found {entry[key]!r}")
    if entry.get("combine", "all") not in ("all", "any"):
        raise UsageError(f"{where}: expected combine to be 'all' or 'any', found {entry['combine']!r}")
    if not isinstance(entry.get("training", {}), dict):
        raise UsageError(f"{where}: expected a table for training, found {entry['training']!r}")
    if not isinstance(entry["comparisons"], list) or not entry["comparisons"]:
        raise UsageError(f"{where}: expected tables [[claims.comparisons]], found none")
    comparisons = [one for given in entry["comparisons"] for one in _comparisons(given, where, labels)]
    images = tuple(_row(name, where, labels) for name in _listed(entry.get("images", [])))
    rest = {key: entry[key] for key in ("combine", "dataset", "direction", "training") if key in entry}
    texts = (entry["id"], entry["sentence"], entry["place"])
    return Claim(*texts, tuple(comparisons), images=images, **rest)


def _comparisons(given: Any, where: str, labels: Collection[str]) -> list[Comparison]:
    """One for every combination of what `a`, `b` and `metric` list."""
    _keys(given, _COMPARISON, {"a", "relation", "b", "metric"}, where)
    if given["relation"] not in get_args(Relation):
        known = ", ".join(get_args(Relation))
        raise UsageError(f"{where}: expected a relation of {known}, found {given['relation']!r}")
    margin = given.get("margin", 0.0)
    if not _is_number(margin) or margin < 0:
        raise UsageError(f"{where}: expected a margin of 0 or more, found {margin!r}")
    made = []
    for a, b, name in itertools.product(*(_listed(given[key]) for key in ("a", "b", "metric"))):
        metric = renamed.metric(name) if isinstance(name, str) else name
        metrics = [*CATALOGUE, *plugins.names("metrics")]
        if metric not in metrics:
            raise UsageError(f"{where}: {unknown_name('metric', str(metric), metrics, 'bench list metrics')}")
        if b == CHANCE and not metric.endswith("_class_acc"):
            raise UsageError(f"{where}: expected a metric *_class_acc for 'chance', found {metric}")
        if given["relation"] == "closer" and (
            _is_number(b) or isinstance(getattr(CATALOGUE.get(metric), "goal", "max"), str)
        ):
            raise UsageError(f"{where}: expected two rows and a metric with a target for 'closer'")
        other = float(b) if _is_number(b) else b if b == CHANCE else _row(b, where, labels)
        made.append(Comparison(_row(a, where, labels), given["relation"], other, metric, float(margin)))
    return made


def _keys(given: Any, known: set[str], needed: set[str], where: str) -> None:
    if not isinstance(given, dict):
        raise UsageError(f"{where}: expected a table, found {given!r}")
    if unknown := sorted(set(given) - known):
        raise UsageError(f"{where}: unknown key '{unknown[0]}': expected {', '.join(sorted(known))}")
    if missing := sorted(needed - set(given)):
        raise UsageError(f"{where}: expected a key '{missing[0]}', found none")


def _row(name: Any, where: str, labels: Collection[str]) -> str:
    """The label of a row; variants by their canonical name, but "/full" stays: it depends on the size."""
    if name in REFERENCE_ROWS or name in labels:
        return str(name)
    try:
        return get_variant(str(name)).name
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""From a user's request to the runs of a grid, all checked before anything is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from baselines.geometry import check_sides, depth
from baselines.settings import TestSettings
from baselines.sizes import NATIVE, Size
from baselines.variants import Variant
from bench.core.errors import UsageError
from bench.data.chosen import limit_val
from bench.data.dataset import Dataset
from bench.data.measured import Ranges
from bench.data.open_dataset import open_dataset, turned_round
from bench.data.types import LabelValues
from bench.spec.expand import parse_sets, resolve_grid
from bench.spec.given import data_roots
from bench.spec.models import Model, ModelRow, model_rows
from bench.spec.pairs_used import data_spec, with_val_share
from bench.spec.policy import LAST
from bench.spec.recipes import get_recipe
from bench.spec.run_spec import DataSpec, RunSpec
from bench.spec.step_choice import check_candidates, step_choice
from bench.spec.suites import get_suite
from bench.spec.unpaired import check_both_directions, check_unpaired
from bench.spec.variants import by_recipes, read_variants


@dataclass(frozen=True)
class GridRequest:
    """A requested grid; None means the suite's value, else the data set's card's, else the paper's.

    Attributes:
        variants: names in the variant grammar, or declared in `variant_file`.
        suite: a table of the paper; brings variants, batch size, data set and direction.
        datasets: names of cards, or of the user's own folders.
        data_roots: where they are: folders, or NAME=DIR.
        direction, source, layout, label_values, ranges: see `open_dataset`.
        train_limit, test_limit: use at most this many pairs, evenly spaced.
        seeds: one run each.
        epochs, steps: the budget; one of them.
        keep_at: shorter budgets in the same unit; each is a row, from the same training.
        size_px, batch_size, base_filters, precision, engine: training settings.
        sets: `FIELD=VALUE,...` sweeps.
        val_limit: use at most this many pairs of the data set's own validation split, evenly spaced.
        val_share: share of the training images used that is held out for validation.
        eval_every: steps between two scorings on the validation images; None: never.
        choose: "last", or "best:METRIC" on the validation images.
        variant_file: TOML with more variants.
        recipes: named sets of fields and training settings; each variant by each of them.
        test: how the generators are applied.
        models: generators that were trained elsewhere; with them, there may be no variant.
        both_directions: the second generator of each unpaired training is a row too.
        init_from: "sha256:HEX" of the weights that generators start from; None: fresh ones.
    """

    variants: tuple[str, ...] = ()
    suite: str | None = None
    datasets: tuple[str, ...] = ()
    data_roots: tuple[str, ...] = ()
    direction: str | None = None
    source: str = "paired"
    layout: str | None = None
    label_values: LabelValues | None = None
    ranges: Ranges | None = None
    train_limit: int | None = None
    test_limit: int | None = None
    seeds: tuple[int, ...] = (0,)
    epochs: float | None = None
    steps: int | None = None
    keep_at: tuple[float, ...] = ()
    size_px: Size | None = None
    batch_size: int | None = None
    base_filters: int | None = None
    precision: str | None = None
    engine: str | None = None
    sets: tuple[str, ...] = ()
    val_limit: int | None = None
    val_share: float = 0.0
    eval_every: int | None = None
    choose: str = LAST
    variant_file: Path | None = None
    recipes: tuple[str, ...] = ()
    test: TestSettings = field(default_factory=TestSettings)
    models: tuple[Model, ...] = ()
    both_directions: bool = False
    init_from: str | None = None


@dataclass(frozen=True)
class Plan:
    """The runs of a grid on one data set in one direction, and the generators that were trained elsewhere.

    `ways_back` are the second generators of runs of another plan, which come with these.
    """

    dataset: Dataset
    data: DataSpec
    runs: list[RunSpec]
    models: list[ModelRow] = field(default_factory=list)
    ways_back: list[RunSpec] = field(default_factory=list)

    @property
    def sizes(self) -> set[Size]:
        """The sizes of all of them."""
        specs = [*self.runs, *self.ways_back]
        return {spec.training.size_px for spec in specs} | {row.size_px for row in self.models}

    def turned(self) -> Plan:
        """The plan of the ways back of its runs.

        Raises:
            UsageError: if the data has one direction only.
        """
        back = [spec.turned() for spec in self.runs]
        return Plan(turned_round(self.dataset), self.data.turned(), [], ways_back=back)


def resolve(request: GridRequest) -> list[Plan]:
    """The runs of a grid, by data set. Opens the data sets' file lists, decodes nothing.

    Raises:
        UsageError: for anything that cannot be run as requested.
    """
    suite = get_suite(request.suite) if request.suite else None
    variants, recipes = _variants(request, suite.variants if suite else ())
    names = request.datasets or ((suite.dataset,) if suite else ())
    if not names:
        raise UsageError("expected --dataset NAME (or --suite), found none: `bench list datasets` shows them")
    if request.epochs is not None and request.steps is not None:
        raise UsageError("expected --epochs or --steps, found both: give one of them")
    if request.epochs is not None and not 0 < request.epochs < math.inf:
        raise UsageError(f"expected --epochs above 0, found {request.epochs}")
    sweeps = parse_sets(request.sets)
    roots = data_roots(request.data_roots, names)
    plans = []
    for name in dict.fromkeys(names):
        direction = request.direction
        open_as = partial(
            open_dataset,
            name,
            root=roots.get(name),
            source=request.source,
            layout=request.layout,
            label_values=request.label_values,
            ranges=request.ranges,
        )
        dataset = open_as(direction=direction)
        if suite and direction is None and suite.direction in _directions(dataset):
            dataset = open_as(direction=suite.direction)
        dataset = with_val_share(dataset, request.train_limit, request.val_share)
        if request.val_limit is not None:
            dataset = limit_val(dataset, request.val_limit)
        data = data_spec(dataset, request.train_limit, request.test_limit)
        choice = step_choice(dataset, request.choose, request.eval_every)
        training, epochs = _training(request, dataset, suite.batch_size if suite else None)
        if training["size_px"] == NATIVE and "levels" not in sweeps:
            training["levels"] = native_levels(dataset, data)
        if "steps" in sweeps:
            training["steps"] = 1  # replaced by each value of the sweep
        runs = [
            run
            for shorter, whole in _budgets(request, training, epochs)
            for run in resolve_grid(
                data, variants, request.seeds, shorter, request.test, sweeps, whole, choice, recipes
            )
        ]
        check_unpaired(dataset, runs, request.eval_every)
        check_candidates(runs)
        if request.keep_at:
            _check_lengths(runs, request)
        sizes = list(dict.fromkeys(run.training.size_px for run in runs)) or [training["size_px"]]
        plans.append(Plan(dataset, data, runs, model_rows(request.models, data, sizes, request.test)))
        _check_names(plans[-1])
        if request.both_directions:
            check_both_directions(runs)
            plans.append(plans[-1].turned())
    return plans


def _check_names(plan: Plan) -> None:
    """Refuse a model with the name of a variant, which the report could not tell apart."""
    labels = {name for run in plan.runs for name in (run.label, run.variant.name, *run.also)}
    if taken := [row.model.name for row in plan.models if row.model.name in labels]:
        raise UsageError(f"expected a name for --model that no variant has, found '{taken[0]}'")


def _budgets(
    request: GridRequest, training: dict[str, Any], epochs: float | None
) -> list[tuple[dict[str, Any], float | None]]:
    """Training fields and epochs of each length, the whole one last.

    Raises:
        UsageError: for a length of `--keep-at` that is no shorter than the whole.
    """
    whole = epochs if epochs is not None else float(training["steps"])
    if too_long := [length for length in request.keep_at if not length < whole]:
        unit = "steps" if epochs is None else "epochs"
        raise UsageError(f"expected --keep-at below the {whole:g} {unit} of the whole, found {too_long[0]:g}")
    if epochs is None and (part := next((one for one in request.keep_at if one % 1), None)) is not None:
        raise UsageError(f"expected --keep-at in whole steps, found {part:g}: --epochs makes it epochs")
    lengths = sorted({*request.keep_at, whole})
    if epochs is None:
        return [({**training, "steps": int(length)}, None) for length in lengths]
    return [(training, length) for length in lengths]


def _check_lengths(runs: Sequence[RunSpec], request: GridRequest) -> None:
    """A longer run can go on from a shorter one only where nothing depends on how long it is."""
    if request.choose != LAST:
        raise UsageError(
            f"expected --choose last with --keep-at, found {request.choose}: --eval-every shows the lengths "
            "on the validation images, or train each length by itself"
        )
    if len(set(request.datasets)) > 1:
        raise UsageError(
            f"expected one data set with --keep-at, found {', '.join(request.datasets)}: run them one by one"
        )
    if swept := [name for name in parse_sets(request.sets) if name in ("steps", "batch_size")]:
        raise UsageError(f"expected --keep-at without --set {swept[0]}, found both: leave one out")
    if any(run.training.lr_schedule != "constant" for run in runs):
        raise UsageError(
            "expected a constant learning rate with --keep-at, found lr_schedule=linear, which depends on "
            "the length: train each length by itself"
        )


def lengths_of(plans: Sequence[Plan], request: GridRequest) -> tuple[int, ...]:
    """Steps of the runs of `--keep-at`, rising; () without it."""
    steps = {run.training.steps for plan in plans for run in plan.runs}
    return tuple(sorted(steps)) if request.keep_at else ()


def _variants(
    request: GridRequest, of_suite: Sequence[str]
) -> tuple[list[Variant], dict[str, dict[str, Any]]]:
    """The variants, each once, and the training settings of their recipes by their names."""
    declared = read_variants(request.variant_file) if request.variant_file else {}
    names = request.variants or tuple(of_suite) or tuple(declared)
    if request.recipes and not names:
        names = ("l1+cgan",)
    if not names and not request.models:
        raise UsageError(
            "expected --variants NAME,... or --suite NAME, found neither: `bench list variants` and "
            "`bench list suites` show them"
        )
    chosen: dict[str, Variant] = {}
    training: dict[str, dict[str, Any]] = {}
    for name in names:
        for variant, recipe in by_recipes(name, request.recipes, declared):
            chosen[variant.name] = variant
            if recipe is not None:
                training[variant.name] = get_recipe(recipe).training
    return list(chosen.values()), training


def _directions(dataset: Dataset) -> set[str]:
    left, right = dataset.card.domains
    return {f"{left}2{right}", f"{right}2{left}"}


def _training(
    request: GridRequest, dataset: Dataset, suite_batch: int | None
) -> tuple[dict[str, Any], float | None]:
    """Fields of `TrainingSettings`, and the epochs where no steps are given."""
    card = dataset.card.options.training
    asked = {
        "steps": request.steps,
        "size_px": request.size_px or dataset.card.size_px,
        "batch_size": request.batch_size or suite_batch or card.batch_size or 1,
        "base_filters": request.base_filters or card.base_filters or 64,
        "precision": request.precision,
        "engine": request.engine,
        "init_from": request.init_from,
    }
    epochs = request.epochs if request.epochs is not None else card.epochs or 200.0
    return {k: v for k, v in asked.items() if v is not None}, None if request.steps else epochs


def native_levels(dataset: Dataset, data: DataSpec) -> int:
    """Levels of the generator where each image keeps its own size: what the smallest one bears.

    Raises:
        UsageError: for images that are too small or too large, naming the limits.
    """
    sizes = {
        size
        for split, count in (("train", data.train_n), ("test", data.test_n))
        for size in dataset.own_sizes(split, count)
    }
    try:
        for size in sizes:
            check_sides(size)
    except ValueError as error:
        raise UsageError(f"size native: {error} in {dataset.name}: give one --size for all images") from None
    return min(depth(size.document) for size in sizes)

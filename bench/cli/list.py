"""`bench list`: what can be named on the command line."""

from __future__ import annotations

import click

from bench.core.errors import unknown_name

KINDS = ("variants", "parts", "suites", "recipes", "datasets", "metrics", "judges", "fields")


@click.command("list")
@click.argument(
    "kind", required=False, metavar="[variants|parts|suites|recipes|datasets|metrics|judges|fields]"
)
def listing(kind: str | None) -> None:
    """List what can be named on the command line: the names of every kind, or one kind with descriptions."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if kind is None:
        console = Console(highlight=False)
        for each in KINDS:
            names = [name for name, _ in _ROWS[each]() if " " not in name]
            console.print(Text.assemble((each, "bold"), ": ", ", ".join(names)))
        console.print("With descriptions: bench list variants, and so on. The fields are for --set.")
        return
    if kind not in KINDS:
        raise unknown_name("list", kind, KINDS, "bench list --help")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, about in _ROWS[kind]():
        table.add_row(Text(name, style="bold"), Text(about))
    Console(highlight=False).print(table)


def _variants() -> list[tuple[str, str]]:
    from baselines.variants import ALIASES, NAMED, parse_variant
    from bench.core import plugins

    aliases = {name: [a for a, meant in ALIASES.items() if meant == name] for name in ALIASES.values()}
    rows = []
    for name in NAMED:
        also = f"  (also: {', '.join(aliases[name])})" if name in aliases else ""
        rows.append((name, parse_variant(name).source + also))
    rows += [(name, "plug-in") for name in plugins.names("variants")]
    rows.append(
        (
            "[GENERATOR:]LOSSES[/RF]",
            "any combination: unet, encdec, resnet6, resnet9; l1, gan, cgan, l1+gan, l1+cgan; RF 1, 16, 34, "
            "70, 142, 286, full",
        )
    )
    return rows


def _parts() -> list[tuple[str, str]]:
    from baselines.components import registry

    return [
        (f"{registry.ONE[kind].replace(' ', '-')}={name}", registry.about(kind, name))
        for kind in registry.KINDS
        for name in registry.names(kind)
    ]


def _suites() -> list[tuple[str, str]]:
    from bench.spec.suites import SUITES

    return [(s.name, f"{s.about}: {', '.join(s.variants)} ({s.source})") for s in SUITES.values()]


def _recipes() -> list[tuple[str, str]]:
    from bench.spec.recipes import get_recipe, recipe_names

    recipes = {name: get_recipe(name) for name in recipe_names()}
    rows = []
    for name, recipe in recipes.items():
        said = ", ".join(f"{key}={value}" for key, value in {**recipe.variant, **recipe.training}.items())
        rows.append((name, f"{recipe.about}: {said} ({recipe.source})"))
    return rows


def _datasets() -> list[tuple[str, str]]:
    from bench.data.cards import card_names, load_card

    cards = {name: load_card(name) for name in card_names()}
    rows = [(name, f"{card.title}, {card.direction}") for name, card in cards.items()]
    rows.append(("any other name", "your own folder, given by --data-root NAME=DIR (see datasets/README.md)"))
    return rows


def _metrics() -> list[tuple[str, str]]:
    from bench.core import plugins
    from bench.scoring.metrics.catalogue import CATALOGUE

    ways = {"max": "higher is better", "min": "lower is better"}
    rows = []
    for info in CATALOGUE.values():
        way = ways.get(str(info.goal), f"best at {info.goal}") if info.ranks else "describes, does not rank"
        rows.append((info.key, f"{info.about} ({way})"))
    families = {info.family for info in CATALOGUE.values()}
    return rows + [(name, "plug-in") for name in plugins.names("metrics") if name not in families]


def _judges() -> list[tuple[str, str]]:
    from bench.core import plugins

    known = {
        "fcn-small": "small fully convolutional network, for a CPU and 64 px",
        "fcn-lite0": "FCN with skips on the ImageNet-trained EfficientNet-Lite0: the best judge here",
        "fcn8s": "FCN-8s, VGG-16 with skips from pool3 and pool4, trained from scratch: for a GPU",
    }
    return [(name, known.get(name, "plug-in")) for name in plugins.names("judges")]


def _fields() -> list[tuple[str, str]]:
    """The fields of `--set`, described by the docstrings of the classes that hold them."""
    import dataclasses
    import inspect
    import re

    from baselines.components import registry
    from baselines.settings import TrainingSettings
    from baselines.variants import Variant
    from bench.spec.expand import TRAINING_FIELDS

    rows = []
    parts = {registry.fields_of(*places[0]): None for places in registry.owners().values()}
    holders: list[tuple[type, list[str]]] = [
        (Variant, sorted(registry.OWN_FIELDS)),
        *((fields, [one.name for one in dataclasses.fields(fields)]) for fields in parts),
        (TrainingSettings, sorted(TRAINING_FIELDS)),
    ]
    for owner, wanted in holders:
        text = inspect.getdoc(owner) or ""
        for field in wanted:
            found = re.search(rf"^    (?:\w+, )*{field}(?:, \w+)*: (.*(?:\n {{8,}}.*)*)", text, re.MULTILINE)
            rows.append((field, " ".join(found[1].split()) if found else ""))
    return rows


_ROWS = {
    "variants": _variants,
    "parts": _parts,
    "suites": _suites,
    "recipes": _recipes,
    "datasets": _datasets,
    "metrics": _metrics,
    "judges": _judges,
    "fields": _fields,
}

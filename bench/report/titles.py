"""What a report says of itself: title, origin of its rows, how to read it. Only what its records bear out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.section_view import is_trained
from bench.report.tables import words_of_model
from bench.scoring.judges.fitness import listed
from bench.spec.models import ELSEWHERE

if TYPE_CHECKING:
    from bench.analysis.rows import Row
    from bench.report.section_view import SectionView

_NAMED = 4  # rows that a title names

INTERVAL = (
    "A 95 % interval by bootstrap over the test images. (For distances between sets of images: of "
    "pseudo-values, the distance at this N.) It shows how far the number depends on the choice of images."
)
NOT_SEEDS = " It says nothing about the training seed."
SPREAD = (
    "With several seeds a cell shows the mean over trainings that differ only in their seed. After ± stands "
    "their standard deviation."
)
BOLD = (
    "The best value of a column, where it is clearly better than the next. Clearly means: the paired "
    "bootstrap over the same test images tells them apart at 5 %, after Holm's correction over all pairs and "
    "metrics of the table. Where values by image are missing, the intervals of the values are used instead."
)
BOLD_SEEDS = (
    " With several seeds, the 95 % interval of their difference over seeds must leave out 0 too. With one "
    "seed a variant, bold says nothing about other seeds."
)
PROTOCOL = (
    "How a number was scored: network and its weights, resizing, image size, treatment of absent classes, "
    "version of the metric. Numbers of different protocols never share a column."
)


def title(views: Sequence[SectionView]) -> str:
    """ "pix2pix variants on facades", or "Scores of the images in a and b" where nothing was trained."""
    names = listed(list(dict.fromkeys(view.section.dataset for view in views)))
    rows = _rows(views)
    given = [row for row in rows if not is_trained(row)]
    if not given:
        return f"pix2pix variants on {names}"
    models = [row for row in given if words_of_model(row.first)]
    if len(given) < len(rows):
        return f"pix2pix variants and other {'generators' if models else 'images'} on {names}"
    labels = list(dict.fromkeys(row.label for row in given))
    if len(models) == len(given):
        said = listed(labels) if len(labels) <= _NAMED else f"{len(labels)} generators"
        return f"Scores of {said} on {names}"
    if len(labels) > _NAMED:
        return f"Scores of {len(labels)} folders of images"
    return f"Scores of the images in {listed(labels)}"


def about(views: Sequence[SectionView]) -> str:
    """Where the rows come from."""
    rows = _rows(views)
    trained = not rows or any(map(is_trained, rows))
    said = (
        "This is an ablation of pix2pix (Isola et al., CVPR 2017, arXiv:1611.07004): the same networks are "
        "trained with parts of the method left out, and scored alike."
    )
    others = [row for row in rows if not is_trained(row)]
    models = [row for row in others if words_of_model(row.first)]
    given = "Images of other origin were given as folders and scored alike."
    if models:
        elsewhere = (
            f"Generators that were {ELSEWHERE} were run over the same test images and scored alike; nothing "
            "is claimed of their training."
        )
        given = elsewhere if len(models) == len(others) else f"{elsewhere} {given}"
    if not trained and models:
        return given
    if not trained:
        return "The images were given as folders. How they were made is not known here."
    return said if not rows or all(map(is_trained, rows)) else f"{said} {given}"


def reading(views: Sequence[SectionView]) -> list[tuple[str, str]]:
    """(word, meaning) of what tables show beside metrics and rows."""
    seeds = any(view.table.has_seeds for view in views)
    said = [("Interval", INTERVAL + NOT_SEEDS * seeds)]
    said += [("± and seeds", SPREAD)] * seeds
    said += [("Bold", BOLD + BOLD_SEEDS * seeds)]
    return [*said, ("Protocol", PROTOCOL)]


def _rows(views: Sequence[SectionView]) -> list[Row]:
    return [row for view in views for row in view.section.rows]

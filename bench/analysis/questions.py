"""The questions that metrics answer: how the columns of a table are grouped, and which ones stand first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.column import Column


@dataclass(frozen=True)
class Question:
    """A question about a variant's images.

    Attributes:
        title: the question in words, as heads show it.
        keys: metric keys that answer it; one that ends in "*" stands for all that begin so.
        headline: of these, the ones that stand for the question, the first that has values; () for none.
    """

    title: str
    keys: tuple[str, ...]
    headline: tuple[str, ...] = ()

    def holds(self, key: str) -> bool:
        return any(key.startswith(one[:-1]) if one.endswith("*") else key == one for one in self.keys)


CONTENT = Question(
    "Right content", ("fcn_*", "label_*"),
    ("fcn_class_iou", "label_class_iou", "fcn_pixel_acc", "label_pixel_acc"),
)  # fmt: skip
REAL = Question(
    "Looks real", ("fid*", "kid*", "fd_*", "fd@*", "precision*", "recall*", "density*", "coverage*"),
    ("fid", "fd_lite0", "kid"),
)  # fmt: skip
CLOSE = Question(
    "Close to the target", ("mae", "ssim", "psnr", "lpips", "pixel_acc@*"), ("mae", "ssim", "psnr", "lpips")
)
SHARP = Question("As sharp as real", ("hf_ratio", "grid_artefact"), ("hf_ratio",))
PEOPLE = Question("What people say", ("people_*",), ("people_fooled", "people_preferred"))
COLOURS = Question("Right colours", ("lab_*",))
VARIED = Question("Answers to its input", ("diversity", "source_response"))
OTHER = Question("Other", ("*",))
QUESTIONS = (CONTENT, REAL, CLOSE, SHARP, PEOPLE, COLOURS, VARIED, OTHER)
FEW = 6  # columns that need no choice: all are shown


def question_of(key: str) -> Question:
    """The question that a metric answers; `OTHER` for one that nobody has placed."""
    return next(question for question in QUESTIONS if question.holds(key))


def place_of(key: str) -> int:
    """Where the metric's question stands among the questions."""
    return QUESTIONS.index(question_of(key))


def grouped(columns: Sequence[Column]) -> list[tuple[Question, list[Column]]]:
    """The columns by question, in the order of the questions; questions without a column are left out."""
    found = [
        (question, [c for c in columns if question_of(c.info.key) is question]) for question in QUESTIONS
    ]
    return [(question, held) for question, held in found if held]


def headline_columns(question: Question, columns: Sequence[Column]) -> list[Column]:
    """Those of the first of the question's headline metrics that is among `columns`; all its protocols."""
    held = ([column for column in columns if column.info.key == key] for key in question.headline)
    return next((found for found in held if found), [])


def shown_first(columns: Sequence[Column], with_values: Sequence[Column]) -> list[Column]:
    """The columns of the short table: one metric a question, or all where they are few or answer none.

    Args:
        columns: of the table.
        with_values: those in which a variant has a value.
    """
    chosen = [c for question in QUESTIONS for c in headline_columns(question, with_values)]
    return list(columns) if len(columns) <= FEW or not chosen else [c for c in columns if c in chosen]

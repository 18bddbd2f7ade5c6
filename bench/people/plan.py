"""Which rater sees what, in which order and on which side: all of it from a seed, before anyone looks.

Isola et al. 2017, section 4.1 ("AMT perceptual studies"): a real and a generated image, one second, then:
which was generated? Ten practice trials with feedback, forty without; one algorithm a session. Catch trials
are ours.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from bench.core.errors import UsageError

Task = Literal["fooled", "better"]
Kind = Literal["practice", "test", "catch"]
REAL, SPOILT = "(real)", "(spoilt)"
"""What a side may show beside a variant: the target, or an image that nobody should take for good."""


@dataclass(frozen=True)
class Trial:
    """Two images side by side.

    Attributes:
        image: name of the test image.
        left, right: `REAL`, `SPOILT` or a variant.
    """

    kind: Kind
    image: str
    left: str
    right: str

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(side for side in (self.left, self.right) if side not in (REAL, SPOILT))


@dataclass(frozen=True)
class Plan:
    """A page: what it shows to whom.

    Attributes:
        task: "fooled" (which was generated?) or "better" (which of two variants?).
        seconds: how long both images of a trial are visible; None: until the answer.
        images: name -> side -> sha256 of the PNG that is shown.
        sessions: of rater 1, 2, ...: their trials.
        runs: variant -> id of the record whose outputs are shown.
    """

    task: Task
    seed: int
    seconds: float | None
    variants: tuple[str, ...]
    images: Mapping[str, Mapping[str, str]]
    sessions: tuple[tuple[Trial, ...], ...]
    runs: Mapping[str, str]
    page: str = ""

    def numbered(self) -> Plan:
        """With `page`: 16 hexadecimal digits of a hash over everything else."""
        content = json.dumps(asdict(replace(self, page="")), sort_keys=True)
        return replace(self, page=hashlib.sha256(content.encode()).hexdigest()[:16])

    def counts(self, kind: Kind) -> int:
        """Trials of a kind in a session."""
        return sum(trial.kind == kind for trial in self.sessions[0])


@dataclass(frozen=True)
class Length:
    """How many trials of each kind a session has."""

    practice: int = 10
    trials: int = 40
    catch: int = 4

    def __post_init__(self) -> None:
        if self.trials < 1 or self.practice < 0 or self.catch < 0:
            raise UsageError(f"expected one trial or more and no negative number, found {self}")

    @property
    def images(self) -> int:
        """Different images that a session needs."""
        return self.practice + self.trials + self.catch


def sessions(
    task: Task, variants: Sequence[str], images: Sequence[str], raters: int, length: Length, seed: int
) -> tuple[tuple[Trial, ...], ...]:
    """The trials of each rater.

    A rater never sees an image twice. Sides are balanced within the test trials of a session (one more on the
    right where their number is odd), variants over raters, and pairs of variants within a session.

    Raises:
        UsageError: if there are too few images or variants.
    """
    if task == "better":
        length = replace(length, practice=0)
        if len(variants) < 2:
            raise UsageError(f"expected two variants or more to choose between, found {', '.join(variants)}")
    if len(images) < length.images:
        raise UsageError(
            f"expected {length.images} images, so that no rater sees one twice ({length.practice} practice, "
            f"{length.trials} test, {length.catch} catch), found {len(images)}: --trials "
            f"{max(1, len(images) - length.practice - length.catch)} fits"
        )
    made = fooled_session if task == "fooled" else better_session
    return tuple(
        made(variants, images, rater, length, np.random.default_rng([seed, rater])) for rater in range(raters)
    )


def fooled_session(
    variants: Sequence[str], images: Sequence[str], rater: int, length: Length, rng: np.random.Generator
) -> tuple[Trial, ...]:
    """Real against one variant's outputs; in catch trials, real against a spoilt image."""
    variant = variants[rater % len(variants)]
    names = [images[place] for place in rng.permutation(len(images))]
    practice, test, catch = _cut(names, length)
    trials = [_sided("practice", name, REAL, variant, left) for name, left in _balanced(practice, rng)]
    tested = [_sided("test", name, REAL, variant, left) for name, left in _balanced(test, rng)]
    caught = [_sided("catch", name, REAL, SPOILT, left) for name, left in _balanced(catch, rng)]
    return (*trials, *_strewn(tested, caught, rng))


def better_session(
    variants: Sequence[str], images: Sequence[str], rater: int, length: Length, rng: np.random.Generator
) -> tuple[Trial, ...]:
    """Two variants' outputs for one source; in catch trials, a variant's output against a spoilt one."""
    pairs = list(itertools.combinations(variants, 2))
    names = [images[place] for place in rng.permutation(len(images))]
    _, test, catch = _cut(names, length)
    turns = [pairs[(rater + place) % len(pairs)] for place in range(len(test))]
    turns = [turns[place] for place in rng.permutation(len(turns))]
    tested = [
        _sided("test", name, *pair, left)
        for (name, left), pair in zip(_balanced(test, rng), turns, strict=True)
    ]
    caught = [
        _sided("catch", name, variants[(rater + place) % len(variants)], SPOILT, left)
        for place, (name, left) in enumerate(_balanced(catch, rng))
    ]
    return tuple(_strewn(tested, caught, rng))


def _cut(names: Sequence[str], length: Length) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    end = length.practice + length.trials
    return names[: length.practice], names[length.practice : end], names[end : end + length.catch]


def _balanced(names: Sequence[str], rng: np.random.Generator) -> list[tuple[str, bool]]:
    """Each name with whether the first side is on the left: in half of them, at random places."""
    sides = np.arange(len(names)) < len(names) // 2
    return list(zip(names, rng.permutation(sides).tolist(), strict=True))


def _sided(kind: Kind, name: str, first: str, second: str, first_is_left: bool) -> Trial:
    return Trial(kind, name, *((first, second) if first_is_left else (second, first)))


def _strewn(test: list[Trial], catch: list[Trial], rng: np.random.Generator) -> list[Trial]:
    """Catch trials at random places among the others."""
    whole = [*test, *catch]
    return [whole[place] for place in rng.permutation(len(whole))]

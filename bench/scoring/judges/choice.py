"""Judges by name: the pieces of `--judge A,B`, and what each of them asks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from baselines.sizes import Size, image_size, parse_size
from bench.core.errors import UsageError
from bench.scoring.judges.external import KINDS, identity, is_adapter

OPTION = "judge_px"
NO_JUDGE, AUTO = "none", "auto"
LEAST_PX, MOST_PX = 32, 2048
JudgePx = Size | None
"""A judge's own resolution; "size": that of the images; None: the one that the data set's card names."""


@dataclass(frozen=True)
class Trained:
    """A judge that is trained here, with everything about it decided.

    Attributes:
        name: of the network.
        judge_px: its own resolution, or None: it works at the images' size.
    """

    name: str
    judge_px: Size | None

    @property
    def identity(self) -> str:
        """What records call it: "fcn-small", or "fcn-lite0,judge_px=256"."""
        return self.name if self.judge_px is None else f"{self.name},{OPTION}={self.judge_px}"

    @property
    def asked(self) -> str:
        """The name after --judge that means it, whatever a card says."""
        return f"{self.name},{OPTION}={self.judge_px or 'size'}"


def named(choice: str) -> tuple[str, JudgePx]:
    """Name and resolution of a judge that is trained here, as given.

    Raises:
        UsageError: for another option, or a size that is none.
    """
    name, *options = choice.split(",")
    if not options:
        return name, None
    key, _, value = options[0].partition("=")
    if key != OPTION or len(options) > 1:
        raise UsageError(f"expected --judge {name},{OPTION}=256 (or =size), found '{choice}'")
    if value == "size":
        return name, "size"
    try:
        size = parse_size(value)
        sides = image_size(size)
    except ValueError:
        sides = None
    if sides is None or sides.shorter < LEAST_PX or sides.longer > MOST_PX:
        raise UsageError(
            f"expected {OPTION} to be size, {LEAST_PX} to {MOST_PX}, or WIDTHxHEIGHT of such sides, found "
            f"'{value}'"
        )
    return name, size


def panel(text: str) -> tuple[str, ...]:
    """The judges of "A,B,...": pieces with "=" belong to the judge before them.

    After an external judge, so does a piece that names no judge: a comma in the name of its file.

    Raises:
        UsageError: for a judge twice, nothing between two commas, or "none" beside others.
    """
    judges: list[str] = []
    for piece in text.split(","):
        if judges and not _starts(piece, judges[-1]):
            judges[-1] += f",{piece}"
        else:
            judges.append(piece)
    if "" in judges or len(set(judges)) < len(judges) or (NO_JUDGE in judges and len(judges) > 1):
        raise UsageError(f"expected --judge NAME, or different judges as NAME,NAME, found '{text}'")
    return tuple(judges)


def _starts(piece: str, before: str) -> bool:
    """Whether a piece after a comma names another judge."""
    if piece.partition(":")[0] in KINDS and ":" in piece:
        return True
    if "=" in piece:
        return False
    return not is_adapter(before) or piece in _known()


def _known() -> Collection[str]:
    from bench.core import plugins

    return (AUTO, NO_JUDGE, *plugins.names("judges"))


def as_asked(recorded: str | None) -> str | None:
    """The name after --judge that means the judges that a record names; None where only a file's hash is
    known.

    A name without a resolution means, in a record, a judge at the images' size.
    """
    if recorded is None:
        return NO_JUDGE
    pieces = panel(recorded)
    if any(map(is_adapter, pieces)):
        return None
    return ",".join(piece if "," in piece else f"{piece},{OPTION}=size" for piece in pieces)


def identity_of(judge: str | Trained) -> str:
    """What records call a judge: with content hashes instead of files."""
    return identity(judge) if isinstance(judge, str) else judge.identity

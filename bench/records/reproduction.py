"""The result of `bench reproduce`, as stored in OUT/reproduced.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core.decode import decode
from bench.core.documents import read_json
from bench.records import renamed


@dataclass(frozen=True)
class Reproduction:
    """The result of making a run again.

    Attributes:
        run, label, seed: which run.
        device, threads: of the repetition, the same as the run's.
        commits: of the run and of its repetition.
        checkpoint: sha256 of the generator's file if it is the same; None: it differs, or was not kept.
        images: whether all test images are the same, byte for byte.
        values: how many values were compared.
        differing: metric -> (value, value again), of values that differ.
        outside: metrics outside the seeds' spread, or without enough seeds for a spread.
        not_compared: metrics that were scored under another protocol, or not scored this time.
        generator_differs: whether both generators exist and differ.
    """

    run: str
    label: str
    seed: int | None
    device: str
    threads: int | None
    commits: tuple[str | None, str | None]
    checkpoint: str | None
    images: bool
    values: int
    differing: dict[str, tuple[float | None, float | None]]
    outside: tuple[str, ...]
    not_compared: tuple[str, ...]
    generator_differs: bool = False

    @property
    def exact(self) -> bool:
        """Whether the generators (if both were kept), images and all values are the same."""
        return self.images and not self.differing and not self.generator_differs

    @property
    def passed(self) -> bool:
        """Whether values were compared, and are exact (CPU) or within the seeds' spread (other devices)."""
        return self.values > 0 and (self.exact or (self.device != "cpu" and not self.outside))

    @property
    def words(self) -> str:
        """The result in one sentence."""
        parts = [f"{self.label} seed {self.seed}"]
        if self.exact:
            generator = f"generator (sha256 {self.checkpoint[:12]}), " if self.checkpoint else ""
            parts.append(f"the same {generator}test images and {self.values} values")
        else:
            off = [f"{key} {one} and {two}" for key, (one, two) in self.differing.items()]
            generator = "another generator, " if self.generator_differs else ""
            images = "the same" if self.images else "other"
            parts.append(f"{generator}{images} test images; {len(off)} of {self.values} values differ")
            parts += [", ".join(off)] if off else []
            outside = f"outside the seeds' spread: {', '.join(self.outside)}"
            parts.append(outside if self.outside else "all within the seeds' spread")
        if self.not_compared:
            parts.append(f"not compared: {', '.join(self.not_compared)}")
        return f"{parts[0]}: {'; '.join(parts[1:])}"


def reproduction_path(out: Path) -> Path:
    """The file that holds the result."""
    return out / "reproduced.json"


def read_reproduction(out: Path) -> Reproduction | None:
    """The result that `reproduce` left in an output; None if it does not exist or cannot be read."""
    path = reproduction_path(out)
    try:
        if not path.is_file():
            return None
        return decode(_migrated(read_json(path)["reproduction"]), Reproduction)
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _migrated(raw: dict[str, Any]) -> dict[str, Any]:
    """With today's names (`bench.records.renamed`)."""
    differing = {renamed.metric(name): values for name, values in raw["differing"].items()}
    lists = {name: [renamed.metric(one) for one in raw[name]] for name in ("outside", "not_compared")}
    return {**renamed.protocol(raw), **lists, "differing": differing}

"""`bench data verify`: check a folder against its manifest, or decode every image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from bench.core.decode import decode
from bench.core.documents import DocumentError, read_json
from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.core.progress import Progress
from bench.core.shown_paths import shown
from bench.data.dataset import Dataset
from bench.data.measured import Ranges
from bench.data.open_dataset import open_dataset
from bench.data.types import VOID, LabelValues
from bench.data.void import ADVICE, is_mostly_void

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = 1


@dataclass(frozen=True)
class VerifyReport:
    """The result of a check; paths are relative to the folder.

    Attributes:
        root: the folder.
        method: "manifest" (every file against its hash) or "decoded" (every pair read as for training).
        splits: pairs of each split.
        checked: files hashed, or pairs decoded.
        missing, extra, changed: files against the manifest.
        broken: one line for each pair that cannot be used.
        notes: what is left out, converted, or doubtful.
    """

    root: Path
    method: str
    splits: dict[str, int]
    checked: int
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not (self.missing or self.extra or self.changed or self.broken)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each fault; for faults that differ only by the file the first, and how many."""
        faults = [*_together(self.broken, self.root)]
        for kind in ("missing", "extra", "changed"):
            names: tuple[str, ...] = getattr(self, kind)
            faults += [f"{kind}: {name}" for name in names]
        return tuple(faults)

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        pairs = ", ".join(f"{split} {count:,}" for split, count in self.splits.items())
        if self.ok:
            what = "files match the manifest" if self.method == "manifest" else "pairs decoded"
            return f"{self.checked:,} {what} (pairs: {pairs})"
        kinds = ("missing", "extra", "changed", "broken")
        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in kinds if getattr(self, kind))
        return f"{counts} (pairs: {pairs})"


def verify(
    name: str,
    root: Path | None,
    *,
    direction: str | None = None,
    source: str = "paired",
    layout: str | None = None,
    label_values: LabelValues | None = None,
    ranges: Ranges | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Check a data set against the manifest in its folder; without one, decode every image.

    Args:
        name: a card's name, or any name for the user's own folder.
        root: the data set's folder, or one that holds it by name, as for `open_dataset`.
        direction, source, layout, label_values, ranges: as for `open_dataset`, which may need them.
        progress: called with (done, of all).

    Raises:
        UsageError: if no data set is found, or its manifest cannot be read.
    """
    for folder in (root / name, root) if root is not None else ():
        if has_manifest(folder):  # before open_dataset, which refuses a folder with a half missing
            return _against_manifest(folder, progress)
    dataset = open_dataset(
        name,
        root=root,
        direction=direction,
        source=source,
        layout=layout,
        label_values=label_values,
        ranges=ranges,
    )
    if dataset.root and has_manifest(dataset.root):
        return _against_manifest(dataset.root, progress)
    return decode_all(dataset, progress=progress)


def decode_all(dataset: Dataset, *, progress: Progress | None = None) -> VerifyReport:
    """Read every pair of a data set and collect all faults."""
    total, done = sum(dataset.splits.values()), 0
    broken: list[str] = []
    void = pixels = 0
    for split, count in dataset.splits.items():
        for index in range(count):
            try:
                sides = dataset.images.read(split, index, 16 if dataset.root else dataset.card.size_px)
                for labels in (side.labels for side in sides if side.labels is not None):
                    void, pixels = void + int((labels == VOID).sum()), pixels + labels.size
            except UsageError as error:
                broken.append(str(error))
            done += 1
            if progress:
                progress(done, total)
    root = dataset.root or Path(dataset.name)
    notes = [] if broken else dataset.file_notes()
    if pixels and is_mostly_void(void / pixels):
        notes.append(f"{void / pixels:.1%} of the label pixels are void: {ADVICE}")
    return VerifyReport(
        root, "decoded", dict(dataset.splits), total, broken=tuple(broken), notes=tuple(notes)
    )


def _together(faults: Sequence[str], root: Path) -> Iterator[str]:
    """Faults that differ only by the file as one line."""
    kinds: dict[str, list[str]] = {}
    inside = re.escape(shown(f"{root}/"))
    for fault in faults:
        kinds.setdefault(re.sub(inside + r"[^,:()]*", "FILE", fault), []).append(fault)
    for alike in kinds.values():
        more = f" (and {len(alike) - 1:,} more like it)" if len(alike) > 1 else ""
        yield alike[0] + more


def _against_manifest(root: Path, progress: Progress | None) -> VerifyReport:
    manifest = read_manifest(root)
    wanted = manifest["files"]
    present = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    }
    changed = []
    both = sorted(present & set(wanted))
    for done, name in enumerate(both, start=1):
        if sha256_file(root / name) != wanted[name]:
            changed.append(name)
        if progress:
            progress(done, len(both))
    return VerifyReport(
        root=root,
        method="manifest",
        splits=manifest["splits"],
        checked=len(both),
        missing=tuple(sorted(set(wanted) - present)),
        extra=tuple(sorted(present - set(wanted))),
        changed=tuple(changed),
    )


class Manifest(TypedDict):
    """The parts of a manifest that are read: sha256 by file, pairs by split."""

    schema: Literal[1]
    files: dict[str, str]
    splits: dict[str, int]
    dataset: NotRequired[str]
    version: NotRequired[str]
    size_px: NotRequired[int | str]


def has_manifest(root: Path) -> bool:
    """Whether a manifest of a prepared folder is in `root`; that of a web page is none."""
    with suppress(DocumentError):
        held = read_json(root / MANIFEST) if (root / MANIFEST).is_file() else {}
        return isinstance(held, dict) and bool({"schema", "files"} & held.keys())
    return True  # damaged: `read_manifest` says so


def read_manifest(root: Path) -> Manifest:
    """The manifest of a prepared folder.

    Raises:
        UsageError: if it is damaged or of another schema.
    """
    path = root / MANIFEST
    try:
        return decode(read_json(path), Manifest)
    except DocumentError as error:
        raise UsageError(f"expected a manifest in {path}: {error}: prepare the folder again") from None

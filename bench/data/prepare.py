"""`bench data prepare`, `verify` and `info`: a small copy of official Cityscapes, and what lies in a folder.

A prepared folder holds {train,test}/{photo,labels}/STEM.png and manifest.json with a hash of every file.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from bench.data.datasets import Dataset, open_dataset
from bench.data.layouts import Pair, find
from bench.data.types import DatasetCard
from bench.errors import UsageError
from bench.files import sha256_file, write_text

Progress = Callable[[int, int], None]

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = 1


# --- prepare ------------------------------------------------------------------------------------


def prepare(
    card: DatasetCard, source_root: Path, out: Path, *, size_px: int, progress: Progress | None = None
) -> Path:
    """Write a small copy of an official Cityscapes tree, whole or not at all.

    Photos are resized bicubic and squeezed to a square, as in the published pairs; label maps keep their
    original ids (8 bits, one channel) and are resized with nearest neighbour.

    Args:
        card: the Cityscapes card (ids, splits).
        source_root: folder with `leftImg8bit/` and `gtFine/`.
        out: folder to be made; must not exist.
        size_px: side length of the copies.
        progress: called with (pairs done, of all).

    Returns:
        `out`.

    Raises:
        UsageError: if the tree is not there, a half is missing or damaged (the file is named), an id is not
            in the card, or `out` exists or cannot be written.
    """
    if out.exists() or out.is_symlink():
        raise UsageError(
            f"expected a new folder for the prepared copy, found {out}: remove it or choose another"
        )
    if size_px < 1:
        raise UsageError(f"expected a size of at least 1 px, found {size_px}: give a larger --size")
    found = find(replace(card, layouts=("official",)), source_root) if "official" in card.layouts else None
    if found is None:
        raise UsageError(
            f"expected leftImg8bit/ and gtFine/ of {card.name} in {source_root}, found neither; "
            f"how to get it: {card.how_to_get}"
        )
    reader = _Copier(card, size_px)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UsageError(
            f"cannot write to {out.parent}: {os.strerror(error.errno or 0)}: choose another folder"
        ) from None
    try:
        files = reader.copy(found.splits, staging, progress)
        manifest = {
            "schema": MANIFEST_SCHEMA,
            "dataset": card.name,
            "version": card.version,
            "size_px": size_px,
            "resize": {"photo": "bicubic", "labels": "nearest"},
            "labels": "original ids",
            "splits": {split: len(pairs) for split, pairs in found.splits.items()},
            "files": files,
        }
        write_text(staging / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        staging.chmod(0o755)
        staging.rename(out)
    except OSError as error:
        raise UsageError(
            f"cannot write to {staging}: {os.strerror(error.errno or 0)}: free some room"
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return out


@dataclass(frozen=True)
class _Copier:
    card: DatasetCard
    size_px: int

    def copy(
        self, splits: dict[str, tuple[Pair, ...]], out: Path, progress: Progress | None
    ) -> dict[str, str]:
        """Write all copies below `out`; relative path -> sha256, sorted."""
        hashes: dict[str, str] = {}
        jobs = [(split, pair) for split, pairs in splits.items() for pair in pairs]
        for split in splits:
            for domain in self.card.domains:
                (out / split / domain).mkdir(parents=True)
        workers = ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1))
        try:
            pending = [workers.submit(self._pair, split, pair, out) for split, pair in jobs]
            for done, written in enumerate(_in_order(pending), start=1):
                hashes.update(written)
                if progress:
                    progress(done, len(jobs))
        finally:
            workers.shutdown(cancel_futures=True)
        return dict(sorted(hashes.items()))

    def _pair(self, split: str, pair: Pair, out: Path) -> dict[str, str]:
        hashes: dict[str, str] = {}
        sizes = []
        for file, domain, role in zip(pair.files, self.card.domains, self.card.roles, strict=True):
            picture = self._read(file, role)
            sizes.append(picture.size)
            resample = Image.Resampling.NEAREST if role == "labels" else Image.Resampling.BICUBIC
            name = f"{split}/{domain}/{pair.stem}.png"
            picture.resize((self.size_px, self.size_px), resample).save(out / name, compress_level=6)
            hashes[name] = sha256_file(out / name)
        if sizes[0] != sizes[1]:
            raise UsageError(
                f"expected both halves of a pair in one size, found {'x'.join(map(str, sizes[0]))} in "
                f"{pair.files[0]} and {'x'.join(map(str, sizes[1]))} in {pair.files[1]}: get them again"
            )
        return hashes

    def _read(self, file: Path, role: str) -> Image.Image:
        wanted = ("L",) if role == "labels" else ("RGB",)
        try:
            with Image.open(file) as picture:
                picture.load()
        except Exception as error:  # Pillow raises nearly anything on damaged files
            said = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(
                f"expected a whole picture in {file}, found one that cannot be read ({said})"
            ) from None
        if picture.mode not in wanted:
            raise UsageError(
                f"expected mode {wanted[0]} in {file}, found {picture.mode}: get the official file"
            )
        if role == "labels":
            known = {entry.id for entry in self.card.classes}
            values = [value for value, count in enumerate(picture.histogram()) if count]
            if strange := [value for value in values if value not in known]:
                raise UsageError(f"expected ids of {self.card.name}'s card in {file}, found {strange[0]}")
        return picture


def _in_order(pending: list[Future[dict[str, str]]]) -> Iterator[dict[str, str]]:
    for job in pending:
        yield job.result()


# --- verify -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VerifyReport:
    """What was found in a folder; paths are relative to it.

    Attributes:
        root: the folder.
        method: "manifest" (every file against its hash) or "decoded" (every pair read as training would).
        splits: pairs of each split.
        checked: files hashed, or pairs decoded.
        missing, extra, changed: files against the manifest.
        broken: one line for each pair that cannot be used.
    """

    root: Path
    method: str
    splits: dict[str, int]
    checked: int
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not (self.missing or self.extra or self.changed or self.broken)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each fault."""
        faults: list[str] = [*self.broken]
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


def verify(name: str, root: Path | None, *, progress: Progress | None = None) -> VerifyReport:
    """Check a data set: against its manifest where its folder has one, else by decoding every picture.

    Args:
        name: a card's name, or any name for the user's own folder.
        root: the data set's folder, or one that holds it by name, as for `open_dataset`.
        progress: called with (done, of all).

    Raises:
        UsageError: if no data set is found, or its manifest cannot be read.
    """
    for folder in (root / name, root) if root is not None else ():
        if (folder / MANIFEST).is_file():  # before open_dataset, which refuses a folder with a half missing
            return _against_manifest(folder, progress)
    dataset = open_dataset(name, root=root)
    if dataset.root and (dataset.root / MANIFEST).is_file():
        return _against_manifest(dataset.root, progress)
    return decode_all(dataset, progress=progress)


def decode_all(dataset: Dataset, *, progress: Progress | None = None) -> VerifyReport:
    """Read every pair of a data set, keeping none; collects all faults instead of stopping at the first."""
    total, done = sum(dataset.splits.values()), 0
    broken: list[str] = []
    for split, count in dataset.splits.items():
        for index in range(count):
            try:
                dataset.pictures.read(split, index, 16 if dataset.root else dataset.card.size_px)
            except UsageError as error:
                broken.append(str(error))
            done += 1
            if progress:
                progress(done, total)
    root = dataset.root or Path(dataset.name)
    return VerifyReport(root, "decoded", dict(dataset.splits), total, broken=tuple(broken))


def _against_manifest(root: Path, progress: Progress | None) -> VerifyReport:
    manifest = read_manifest(root)
    wanted: dict[str, str] = manifest["files"]
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
        splits=dict(manifest["splits"]),
        checked=len(both),
        missing=tuple(sorted(set(wanted) - present)),
        extra=tuple(sorted(present - set(wanted))),
        changed=tuple(changed),
    )


def read_manifest(root: Path) -> dict[str, Any]:
    """The manifest of a prepared folder.

    Raises:
        UsageError: if it is damaged or of another schema.
    """
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"expected a manifest in JSON at {path}: {error}: prepare the folder anew") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != MANIFEST_SCHEMA:
        found = manifest.get("schema") if isinstance(manifest, dict) else type(manifest).__name__
        raise UsageError(
            f"expected manifest schema {MANIFEST_SCHEMA} in {path}, found {found}: prepare it anew"
        )
    if not isinstance(manifest.get("files"), dict) or not isinstance(manifest.get("splits"), dict):
        raise UsageError(
            f"expected 'files' and 'splits' in {path}, found a damaged manifest: prepare it anew"
        )
    return manifest


# --- info ---------------------------------------------------------------------------------------


def info(dataset: Dataset) -> list[tuple[str, str]]:
    """What `bench data info` shows of a data set that is there: (label, value) rows."""
    card = dataset.card
    rows = card_rows(card)
    channels = f"{dataset.source_channels} to {dataset.target_channels}"
    rows += [
        ("found", f"{dataset.root or 'comes with the package'} (layout {dataset.layout})"),
        ("pairs", ", ".join(f"{split} {count:,}" for split, count in dataset.splits.items())),
        ("direction", f"{dataset.direction} ({channels} channels, {dataset.sample_type})"),
        ("first picture", _first_picture(dataset)),
    ]
    if dataset.root and (dataset.root / MANIFEST).is_file():
        manifest = read_manifest(dataset.root)
        rows.append(
            ("prepared", f"{manifest.get('size_px')} px, {len(manifest['files']):,} files with hashes")
        )
    if (share := _void_share(dataset)) is not None:
        rows.append(("void", f"{share:.1%} of the label pixels (first pictures of the test split)"))
    return rows


def card_rows(card: DatasetCard) -> list[tuple[str, str]]:
    """What a card alone says, for a data set that is not there: (label, value) rows."""
    classes = ", ".join(entry.name for entry in card.train_classes)
    return [
        ("title", f"{card.title} ({card.version})"),
        ("licence", card.licence),
        ("homepage", card.homepage or "none"),
        ("domains", " and ".join(card.domains)),
        ("default direction", card.direction),
        ("default size", f"{card.size_px} px"),
        ("classes", f"{len(card.train_classes)}: {classes}" if classes else "none"),
        ("how to get it", card.how_to_get),
    ]


def _first_picture(dataset: Dataset) -> str:
    root = dataset.root
    if root is None:
        return f"{dataset.card.size_px}x{dataset.card.size_px} px, any of 32 to 512 px on demand"
    found = find(replace(dataset.card, layouts=(dataset.layout,)), root)
    if found is None:
        return "unknown"
    file = next(iter(found.splits.values()))[0].files[0]
    with Image.open(file) as picture:
        return f"{picture.width}x{picture.height} px, {picture.mode}: {file.relative_to(root)}"


def _void_share(dataset: Dataset, pictures: int = 8) -> float | None:
    """Share of void among the labels of a few test pictures; None where there are no label maps."""
    if not dataset.card.classes:
        return None
    split = "test" if "test" in dataset.splits else next(iter(dataset.splits))
    void = total = 0
    for index in range(min(pictures, dataset.splits[split])):
        for side in dataset.pictures.read(split, index, dataset.card.size_px):
            if side.labels is not None:
                void, total = void + int((side.labels == 255).sum()), total + side.labels.size
    return void / total if total else None

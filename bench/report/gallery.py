"""The images of a section: the fixed gallery, what the judge sees in it, and the picks by result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.entry import Entry
from bench.analysis.picks import Picks, picks
from bench.analysis.sections import Section
from bench.analysis.viewer_values import MAX_VARIANTS
from bench.records.gallery import (
    CLASSES,
    gallery_of,
    judge_fits,
    labels_folder,
    read_json_or_none,
    segmentation_folder,
)
from bench.records.record import GalleryFiles
from bench.report.image_budget import Album, ShownImage
from bench.report.image_sheet import sheet_png

MAX_IMAGES = 24
MAX_PICKED_VARIANTS = 10


@dataclass(frozen=True)
class ImageTable:
    """Rows of images (a test image each) under common heads: `rows` are (stem, images by head)."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[ShownImage, ...]], ...]

    def sheet_png(self) -> bytes:
        """All images as one PNG, rows and columns as here, the heads above; missing ones are grey."""
        return sheet_png(self.heads, [[image.pixels for image in row] for _, row in self.rows])


@dataclass(frozen=True)
class PickCell:
    """A picked image of one variant: what it is, the value, its stem, and (source, output, target)."""

    words: str
    value: str
    name: str
    images: tuple[ShownImage, ...]


@dataclass(frozen=True)
class PickTable:
    """The images picked by one metric.

    Attributes:
        picks: what was picked.
        ranked: (variant, its cells).
        apart: the images on which variants are farthest apart, or None.
        notes: what was left out, in words.
    """

    picks: Picks
    ranked: tuple[tuple[str, tuple[PickCell, ...]], ...]
    apart: ImageTable | None
    notes: tuple[str, ...]

    @property
    def kinds(self) -> str:
        """What a cell shows, in order: "source, output, target", or what there is of it."""
        images = [image for _, cells in self.ranked for cell in cells for image in cell.images]
        return ", ".join(dict.fromkeys(image.kind for image in images if image.data_uri))


@dataclass(frozen=True)
class Gallery:
    """A section's images.

    Attributes:
        fixed: the same test images for all variants, chosen before any result.
        seen: what the judge sees in them, beside the true labels; None where there is none.
        legend: (class name, CSS colour) of the label maps.
        picks: images chosen by result, one table a metric.
        notes, seen_notes: what was left out, in words.
        strip: the first of the fixed images once more, for the top of the page.
    """

    fixed: ImageTable
    seen: ImageTable | None = None
    legend: tuple[tuple[str, str], ...] = ()
    picks: tuple[PickTable, ...] = ()
    notes: tuple[str, ...] = ()
    seen_notes: tuple[str, ...] = ()
    strip: tuple[ShownImage, ...] = ()


@dataclass(frozen=True)
class _Scene:
    """The variants that have images, and where those of one test image are."""

    album: Album
    shown: list[tuple[str, Entry]]
    real: Entry | None
    names: list[str] = field(default_factory=list)

    @property
    def first(self) -> Entry:
        return self.shown[0][1]

    def side(self, kind: str, name: str) -> ShownImage:
        """The source, target or true labels of a test image."""
        files = gallery_of(self.first.record)
        folder = {"source": files.sources, "target": files.targets, "labels": str(labels_folder(files))}[kind]
        return self.album.image(self.first.out, Path(folder) / f"{name}.png", kind, "", name)

    def triple(self, label: str, entry: Entry, name: str) -> tuple[ShownImage, ...]:
        """Source, output and target."""
        return self.side("source", name), self.output(label, entry, name), self.side("target", name)

    def output(self, label: str, entry: Entry, name: str, value: str = "") -> ShownImage:
        folder = gallery_of(entry.record).predictions
        relative = None if folder is None else Path(folder) / f"{name}.png"
        return self.album.image(entry.out, relative, "output", label, name, value)

    def seen(self, label: str, entry: Entry, name: str) -> ShownImage:
        """What the judge that scored `entry` sees in its output."""
        folder = segmentation_folder(entry.record)
        fits = entry.out is not None and judge_fits(entry.out, entry.record)
        return self.album.image(entry.out, folder / f"{name}.png" if fits else None, "seen", label, name)


def build(section: Section, album: Album, metrics: Sequence[str] = ()) -> Gallery | None:
    """The section's images, first seed of each variant; None where no record has any.

    Args:
        section: whose images.
        album: takes them.
        metrics: that images are picked by; empty = the usual ones.
    """
    having = [(row.label, row.entries[0]) for row in section.rows if row.first.gallery]
    if not having:
        return None
    names = _shared_names([gallery_of(entry.record) for _, entry in having])
    if not names:
        return None
    real = section.real.entries[-1] if section.real else None
    scene = _Scene(
        album, having[:MAX_VARIANTS], real if real and real.record.gallery else None, names[:MAX_IMAGES]
    )
    notes = []
    if len(having) > MAX_VARIANTS:
        notes.append(f"The first {MAX_VARIANTS} of {len(having)} variants are shown.")
    if len(names) > MAX_IMAGES:
        notes.append(f"The first {MAX_IMAGES} of {len(names)} gallery images are shown.")
    strip = _side_by_side(scene, scene.names[:1]).rows[0][1]
    fixed = _side_by_side(scene, scene.names)
    seen, gone = _seen(scene)
    picked = tuple(_picked(scene, found) for found in picks(section, metrics))
    return Gallery(fixed, seen, _legend(scene.first) if seen else (), picked, tuple(notes), gone, strip)


def _shared_names(galleries: list[GalleryFiles]) -> list[str]:
    """Stems that every row has, in the first one's order: all rows show the same images."""
    return [name for name in galleries[0].names if all(name in other.names for other in galleries)]


def _side_by_side(
    scene: _Scene, names: list[str], value: Callable[[str, str], str] = lambda label, name: ""
) -> ImageTable:
    """Source, target and all variants of some test images; without sources where there are none.

    Args:
        scene: of the section.
        names: stems.
        value: what stands below an output, by label and stem.
    """
    rows = []
    for name in names:
        outputs = [scene.output(label, entry, name, value(label, name)) for label, entry in scene.shown]
        rows.append((name, (scene.side("source", name), scene.side("target", name), *outputs)))
    heads = ("source", "target", *(label for label, _ in scene.shown))
    if all(images[0].pixels is None for _, images in rows):  # images of others may have no sources
        heads, rows = heads[1:], [(name, images[1:]) for name, images in rows]
    return ImageTable(heads, tuple(rows))


def _seen(scene: _Scene) -> tuple[ImageTable | None, tuple[str, ...]]:
    shown = [*([("real photo", scene.real)] if scene.real else []), *scene.shown]
    fitting = [(label, e) for label, e in shown if e.out is not None and judge_fits(e.out, e.record)]
    if not fitting:
        return None, ()
    gone = [label for label, entry in shown if all(entry is not other for _, other in fitting)]

    rows = tuple(
        (name, (scene.side("labels", name), *(scene.seen(label, entry, name) for label, entry in fitting)))
        for name in scene.names
    )
    notes = (f"Missing for {', '.join(gone)}.",) if gone else ()
    return ImageTable(("true labels", *(label for label, _ in fitting)), rows), notes


def _legend(entry: Entry) -> tuple[tuple[str, str], ...]:
    if entry.out is None:
        return ()
    held = read_json_or_none(entry.out / Path(gallery_of(entry.record).sources).parent / CLASSES)
    if not isinstance(held, dict):
        return ()
    return tuple(
        (str(name), f"rgb({' '.join(map(str, colour))})")
        for name, colour in held.items()
        if isinstance(colour, list) and all(isinstance(part, int) for part in colour)
    )


def _picked(scene: _Scene, found: Picks) -> PickTable:
    """What was picked by one metric, as far as its images are there."""
    entries = dict(scene.shown[:MAX_PICKED_VARIANTS])
    text = found.column.text
    ranked = [
        (label, tuple(
            PickCell(one.words, text(one.value), one.name, scene.triple(label, entries[label], one.name))
            for one in chosen
        ))
        for label, chosen in found.ranked
        if label in entries
    ]  # fmt: skip
    apart = _apart(scene, found)
    notes = []
    if len(ranked) < len(found.ranked):
        notes.append(f"The first {len(ranked)} of {len(found.ranked)} variants are shown.")
    shown = [p for _, cells in ranked for cell in cells for p in cell.images]
    shown += [p for _, row in apart.rows for p in row] if apart else []
    if any(image.kind == "target" and image.data_uri is None for image in shown):
        notes.append("Not all of these images are in the output: `bench score OUT` writes what it can.")
    return PickTable(found, tuple(ranked), apart, tuple(notes))


def _apart(scene: _Scene, found: Picks) -> ImageTable | None:
    rows = {one.name: one.values for one in found.disagreements}

    def value(label: str, name: str) -> str:
        known = rows[name].get(label)
        return "" if known is None else found.column.text(known)

    return _side_by_side(scene, list(rows), value) if rows else None

"""The types of a data set: its card, and its arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

Role = Literal["photo", "labels", "image"]  # image: anything that is neither a photo nor a label map
Layout = Literal[
    "pairs", "folders", "domains", "suffixed", "list", "parquet", "photos", "prepared", "cmp", "embedded",
    "official", "official-trainids", "official-color",
    "official-coarse", "official-coarse-trainids", "official-coarse-color",
]  # fmt: skip
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
ClassPolicy = Literal["absent-is-zero", "absent-left-out"]
LabelValues = Literal["ids", "trainids", "colours"]
VOID = 255
_Grey = Annotated[int, Meta(ge=0, le=255, description="0 to 255")]
_Id = Annotated[int, Meta(ge=0, le=254, description="0 to 254")]
_Count = Annotated[int, Meta(gt=0, lt=10**9, description="a positive number")]
_Side = r"(3[2-9]|[4-9][0-9]|[1-9][0-9]{2}|1[0-9]{3}|20[0-3][0-9]|204[0-8])"  # 32 to 2048
_JUDGE_PX = '"size", 32 to 2048 pixels, or "WIDTHxHEIGHT" of such sides'
_JudgePx = (
    Annotated[int, Meta(ge=32, le=2048, description=_JUDGE_PX)]
    | Annotated[str, Meta(pattern=rf"\A(size|{_Side}x{_Side})\Z", description=_JUDGE_PX)]
)
_Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-fA-F]{64}\Z", description="64 hexadecimal digits")]


@dataclass(frozen=True)
class ClassInfo:
    """One colour of a label map.

    Attributes:
        name: class name ("road").
        colour: RGB, 0-255.
        train_id: index among the evaluated classes (0..K-1), or None: pixels of it are void.
        id: the data set's own id in id-coded label files, if it has such files.
    """

    name: str
    colour: tuple[_Grey, _Grey, _Grey]
    train_id: _Id | None = None
    id: _Id | None = None


@dataclass(frozen=True)
class Archive:
    """A download: its address, and its hash in hexadecimal digits or None (unknown)."""

    url: str
    sha256: _Sha256 | None = None


@dataclass(frozen=True)
class Mirror:
    """Another place of a data set, tried where its own archives cannot be had.

    Attributes:
        name: whose copy it is.
        urls: its files; all are needed.
        differs: what is not as in the data set's own archives, in words ("" if nothing is).
    """

    name: str
    urls: tuple[Archive, ...]
    differs: str = ""


@dataclass(frozen=True)
class CardTraining:
    """Default training settings of a data set; None: the default of `bench`."""

    epochs: Annotated[float, Meta(gt=0, lt=1e9, description="a positive number")] | None = None
    batch_size: _Count | None = None
    base_filters: _Count | None = None


@dataclass(frozen=True)
class CardOptions:
    """Settings that few data sets need.

    Attributes:
        training: default training settings.
        mode: mode of all images except label maps ("colour", "gray", "16-bit"); None: any.
        ranges: domain -> lowest and highest value of its 16-bit or float images (`bench.data.measured`).
        cmp_fold: where no splits are named, every `cmp_fold`-th pair is a test pair.
        label_values: what gray label files hold; None: found out (`bench.data.label_maps`).
    """

    training: CardTraining = field(default_factory=CardTraining)
    mode: str | None = None
    cmp_fold: Annotated[int, Meta(ge=2, le=1000, description="2 to 1000")] = 5
    label_values: LabelValues | None = None
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetCard:
    """A data set as declared in `datasets/cards/NAME.toml`.

    Attributes:
        name, title, version, licence, homepage: about the data set.
        domains: the two sides of a pair, left and right, such as ("photo", "labels").
        roles: the role of each domain, in the same order.
        direction: default, "<source domain>2<target domain>", such as "labels2photo".
        layouts: names of the layouts a reader may find ("pairs", "official", "prepared", ...).
        splits: split name -> folder or rule (the layout defines its meaning).
        sources: the source's domain, and folders beside it whose images are stacked behind it
            (`bench.data.stacked`); empty: the source is one image.
        split_rule: one sentence where the splits are not simply those of the owner, such as which one is the
            test split; "" where there is nothing to say.
        classes: the palette; empty without label maps.
        class_policy: "absent-is-zero" or "absent-left-out" (see docs/metrics.md).
        urls: archives for `bench data fetch`.
        mirrors: other places that `bench data fetch` tries, in order.
        how_to_get: one line for the error message if the data is missing.
        size_px: default side length in pixels.
        halves_by_name: whether the two halves must be called like the domains: A and B, or the order of
            columns, do not say which is which.
        judge_px: at which resolution judges are trained and look at images, at most (on each axis, of a
            "WIDTHxHEIGHT"): photos are not enlarged for their training. "size": that of the images.
    """

    name: str
    title: str
    version: str
    licence: str
    homepage: str
    domains: tuple[str, str]
    roles: tuple[Role, Role]
    direction: str
    layouts: tuple[Layout, ...]
    splits: dict[str, int | str | tuple[str, ...]]
    size_px: int
    how_to_get: str
    classes: tuple[ClassInfo, ...] = ()
    class_policy: ClassPolicy = "absent-left-out"
    urls: tuple[Archive, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    options: CardOptions = field(default_factory=CardOptions)
    judge_px: _JudgePx = "size"
    split_rule: str = ""
    sources: tuple[str, ...] = ()
    halves_by_name: bool = False

    @property
    def train_classes(self) -> tuple[ClassInfo, ...]:
        """The evaluated classes in the order of their train ids: one entry an id."""
        by_id = {c.train_id: c for c in reversed(self.classes) if c.train_id is not None}
        return tuple(by_id[i] for i in sorted(by_id))


@dataclass(frozen=True)
class DataRange:
    """The range of 16-bit and float values, in their own units.

    Attributes:
        low, high: lowest and highest value.
        how: "of the type" (16 bits), "declared", "measured on the targets" or "... on the training images".
    """

    low: float
    high: float
    how: str

    @property
    def width(self) -> float:
        """What metrics call the data range."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} ({self.how})"


SIXTEEN_BITS = DataRange(0.0, 65535.0, "of the type")


@dataclass(frozen=True)
class SplitArrays:
    """A split, decoded and resized, as read-only memory maps.

    Attributes:
        names: stems, unique, in the split's order.
        source: (N, H, W, C) uint8 or uint16. Where each image has its own size ("native"), this and the
            others are arrays of N objects, each an image.
        target: (N, H, W, C) uint8 or uint16.
        labels: (N, H, W) uint8 train ids with 255 = void, or None where the data set has no label maps.
        void_share: share of void pixels in `labels`, or None.
        key: content key: changes when any pixel changes.
        values: (N, H, W, C) uint16 or float32 targets where `target` only shows them in 8 bits; else None.
    """

    names: tuple[str, ...]
    source: NDArray[Any]
    target: NDArray[Any]
    labels: NDArray[np.uint8] | None
    void_share: float | None
    key: str
    values: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.names)

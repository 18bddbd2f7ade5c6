"""The types of the record tables that reports and gates read, checked on reading."""

# ruff: noqa: UP013 - as classes, these few lines would fill pages

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta

_Whole = Annotated[int, Meta(gt=-(2**63), lt=2**63 - 1, description="a whole number of 64 bits")]
_SizeText = Annotated[
    str,
    Meta(pattern=r"\A([1-9][0-9]{0,4}x[1-9][0-9]{0,4}|native)\Z", description="WIDTHxHEIGHT or native"),
]
_Table = dict[str, Any]
_Column = list[float | None]

_Data = TypedDict(
    "_Data",
    {
        "name": str,
        "direction": str,
        "source": NotRequired[str],
        "train_n": NotRequired[_Whole | None],
        "test_n": NotRequired[_Whole | None],
        "train_fingerprint": NotRequired[str | None],
        "test_fingerprint": NotRequired[str | None],
        "val_n": NotRequired[_Whole | None],
        "val_fingerprint": NotRequired[str | None],
        "val_limit": NotRequired[_Whole | None],
        "unpaired": NotRequired[bool],
        "label_values": NotRequired[str],
        "ranges": NotRequired[list[tuple[str, float, float, str]]],
    },
)
_Training = TypedDict(
    "_Training",
    {"size_px": _Whole | _SizeText, "steps": _Whole | None, "batch_size": _Whole | None},
    total=False,
)
_Choice = TypedDict("_Choice", {"metric": str, "every": _Whole})
_Spec = TypedDict(
    "_Spec",
    {
        "data": _Data,
        "seed": NotRequired[_Whole | None],
        "training": NotRequired[_Training],
        "variant": NotRequired[_Table],
        "test": NotRequired[_Table],
        "choice": NotRequired[_Choice | None],
        "back": NotRequired[bool],
    },
)
_Result = TypedDict("_Result", {"n": _Whole, "interval": Any})
_Spectrum = TypedDict("_Spectrum", {"frequency": list[float], "ratio": _Column})
_Histogram = TypedDict("_Histogram", {"edges": list[float], "prediction": list[float], "target": list[float]})
_Samples = TypedDict("_Samples", {"n": list[_Whole], "value": list[float], "low": _Column, "high": _Column})
_HeldOut = TypedDict("_HeldOut", {"pixel_acc": float | None, "class_iou": float | None}, total=False)
_Judge = TypedDict("_Judge", {"held_out": _HeldOut | None}, total=False)
_Scoring = TypedDict("_Scoring", {"metrics": list[str]})
_Values = dict[str, float | None]
_Gap = TypedDict("_Gap", {"n": _Whole, "train": _Values, "test": _Values})
_Validation = TypedDict(
    "_Validation",
    {
        "origin": str,
        "n": _Whole,
        "in_test": NotRequired[_Whole],
        "every": _Whole,
        "choice": str,
        "chosen_step": _Whole,
        "last_step": _Whole,
        "goals": dict[str, str | float],
        "reasons": dict[str, str],
        "points": list[_Values],
        "gap": NotRequired[_Gap | None],
    },
)
_Facts = TypedDict("_Facts", {"void_share": float | None, "test_pixels": str | None}, total=False)
_Environment = TypedDict("_Environment", {"packages": _Table | None}, total=False)


class _Details(TypedDict, total=False):
    per_class_iou: dict[str, float | None] | None
    spectrum: _Spectrum | None
    lab_histograms: dict[str, _Histogram] | None
    sample_curve: dict[str, _Samples] | None
    judge: _Judge | None
    scorer: _Judge | None  # the judge, in schema 1
    scoring: _Scoring | None
    data: _Facts | None
    validation: _Validation | None


class RecordTables(TypedDict):
    """The parsed JSON of a record: the parts of its tables that are read."""

    spec: _Spec
    results: dict[str, _Result]
    details: NotRequired[_Details]
    environment: NotRequired[_Environment]
    gallery: Any


def check_curves(details: dict[str, Any]) -> None:
    """Check that the columns of a record's curves have matching lengths.

    Raises:
        ValueError: with the place, if they do not match.
    """
    for name, curve in (details.get("lab_histograms") or {}).items():
        if not len(curve["edges"]) - 1 == len(curve["prediction"]) == len(curve["target"]):
            raise ValueError(f"details.lab_histograms.{name}.edges: expected one more than there are bins")
    for name, curve in (details.get("sample_curve") or {}).items():
        if len({len(curve[column]) for column in _Samples.__annotations__}) != 1:
            raise ValueError(f"details.sample_curve.{name}: expected columns of one length")

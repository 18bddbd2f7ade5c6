"""Synthetic outputs for report tests: 3 variants x 2 seeds and the reference rows, with small images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from baselines.documents import stated
from baselines.variants import parse_variant
from bench.core.images import write_png
from bench.records.record import GalleryFiles, MetricResult, RunRecord, write_record
from bench.scoring.metrics.catalogue import goal_of

TEST_N = 40
CLASSES = ("road", "sidewalk", "building", "wall", "pole", "sky", "person", "car")
QUALITY = {
    "l1": 0.30,
    "cgan": 0.20,
    "l1+cgan": 0.42,
    "real": 0.55,
    "copy": 0.05,
    "nearest": 0.24,
    "random": 0.12,
}
BASE = {
    "fcn_pixel_acc": (0.5, 0.6), "fcn_class_acc": (0.1, 0.6), "fcn_class_iou": (0.0, 0.7),
    "fd_lite0": (9.0, -12.0), "ssim": (0.55, -0.4), "psnr": (22.0, -9.0), "mae": (20.0, 12.0),
    "pixel_acc@5": (0.2, 0.1), "lab_l": (0.6, 0.5), "lab_a": (0.5, 0.6), "hf_ratio": (-0.4, 2.5),
}  # fmt: skip
OF_TARGETS = ("ssim", "psnr", "mae", "pixel_acc@5")  # no value in the real row
NO_INTERVAL = ("fd_lite0",)


def spec(
    label: str, seed: int, *, dataset: str, direction: str, size_px: int = 64, steps: int = 800
) -> dict[str, Any]:
    """The spec of a run, as `RunSpec.to_dict()` gives it."""
    try:
        variant = parse_variant(label)
    except KeyError:
        variant = replace(parse_variant("l1+cgan"), name=label, source="declared in variants.toml")
    return {
        "data": data_spec(dataset, direction),
        "variant": stated(variant),
        "seed": seed,
        "training": {
            "steps": steps, "size_px": size_px, "batch_size": 1, "base_filters": 32, "lr": 2e-4,
            "beta1": 0.5, "beta2": 0.999, "lr_schedule": "constant", "jitter": True, "mirror": True,
            "precision": "default", "engine": "eager",
        },
        "test": {"dropout": True, "norm": "batch"},
    }  # fmt: skip


def data_spec(dataset: str, direction: str) -> dict[str, Any]:
    return {
        "name": dataset, "direction": direction, "source": "paired", "train_n": 400, "test_n": TEST_N,
        "train_fingerprint": "0123456789abcdef", "test_fingerprint": "fedcba9876543210",
    }  # fmt: skip


def results(label: str, seed: int, spread: float = 0.004) -> tuple[dict[str, MetricResult], pd.DataFrame]:
    """Values that follow `QUALITY`, with intervals, and matching values by test image."""
    rng = np.random.default_rng([seed, *label.encode()])
    shared = np.random.default_rng(7).normal(size=TEST_N)  # some images are harder for everybody
    shared -= shared.mean()
    quality = QUALITY.get(label, 0.25)
    made: dict[str, MetricResult] = {}
    per_image: dict[str, Any] = {"name": [f"{i:04d}" for i in range(TEST_N)]}
    for key, (base, slope) in BASE.items():
        protocol = {"metric": key, "version": 1, "size_px": 64}
        if key.startswith("fcn"):
            protocol |= {
                "judge": "fcn-small",
                "judge_hash": "a1b2c3d4e5f6",
                "class_policy": "absent-left-out",
            }
        if label == "real" and key in OF_TARGETS:
            reason = "compares the images with themselves"
            made[key] = MetricResult(key, None, goal_of(key), TEST_N, protocol, reason=reason)
            continue
        scale = abs(slope) * 0.05
        value = base + slope * (quality + spread * rng.normal())
        interval = None if key in NO_INTERVAL else (value - 0.6 * scale, value + 0.6 * scale)
        if key in ("ssim", "psnr", "mae"):
            own = rng.normal(size=TEST_N)
            values = value + scale * shared + 0.2 * scale * (own - own.mean())
            per_image[key] = values
            value = float(values.mean())
        made[key] = MetricResult(key, float(value), goal_of(key), TEST_N, protocol, interval=interval)
    reason = "Inception weights are missing: `bench data fetch inception` gets them"
    for key in ("fid", "kid"):
        made[key] = MetricResult(key, None, goal_of(key), TEST_N, {"metric": "fid"}, reason=reason)
    return made, pd.DataFrame(per_image)


def details(label: str, seed: int) -> dict[str, Any]:
    """Curves and tables behind the numbers."""
    rng = np.random.default_rng([seed, 1, *label.encode()])
    quality = QUALITY.get(label, 0.25)
    frequency = list(range(1, 33))
    sharp = {"l1": 3.5, "cgan": -0.4, "l1+cgan": 0.5}.get(label, 0.1)
    ratio = np.exp(-sharp * np.array(frequency) / 32 + 0.05 * rng.normal(size=32))
    ious = {
        name: float(np.clip(quality * 1.6 - 0.09 * i + 0.02 * rng.normal(), 0, 1))
        for i, name in enumerate(CLASSES)
    }
    edges = np.linspace(0, 100, 101)
    middles = (edges[:-1] + edges[1:]) / 2
    histograms = {}
    for channel in ("l", "a", "b"):
        target = np.exp(-((middles - 50) ** 2) / 400)
        prediction = np.exp(-((middles - 50) ** 2) / (400 * quality * 2))
        histograms[channel] = {
            "edges": edges.tolist(),
            "prediction": (prediction / prediction.sum()).tolist(),
            "target": (target / target.sum()).tolist(),
        }
    judge = {
        "network": "fcn-small", "hash": "a1b2c3d4e5f6", "size_px": 64,
        "held_out": {"pixel_acc": 0.84, "class_iou": 0.25},
    }  # fmt: skip
    return {
        "per_class_iou": {**ious, "wall": None},
        "spectrum": {"frequency": frequency, "ratio": [None, *ratio.tolist()[1:]]},
        "lab_histograms": histograms,
        "judge": judge,
        "data": {"void_share": 0.087, "layout": "pairs"},
    }


def history(label: str, seed: int) -> list[dict[str, float]]:
    """A training curve of 50 points."""
    rng = np.random.default_rng([seed, 2, *label.encode()])
    points = []
    for i in range(1, 51):
        point = {
            "step": float(i * 16),
            "images_seen": float(i * 16),
            "loss_l1": 0.4 / (1 + i / 8) + 0.01 * rng.random(),
        }
        if "gan" in label:
            point |= {
                "loss_g_gan": 0.7 + i / 40 + 0.2 * rng.random(),
                "loss_d": 0.6 - i / 200 + 0.1 * rng.random(),
            }
        points.append(point)
    return points


def images(out: Path, run: str, label: str, names: tuple[str, ...]) -> None:
    """Small PNG files where a record of `run` says they are."""
    rng = np.random.default_rng(3)
    for i, name in enumerate(names):
        labels = np.zeros((64, 64, 3), np.uint8)
        labels[:28], labels[28:46], labels[46:] = (70, 130, 180), (70, 70, 70), (128, 64, 128)
        labels[20:50, 8 + 9 * i : 22 + 9 * i] = (0, 0, 142)
        photo = np.clip(labels.astype(float) * 0.7 + 40 + 25 * rng.normal(size=(64, 64, 3)), 0, 255).astype(
            np.uint8
        )
        blur = np.clip(labels.astype(float) * 0.7 + 40, 0, 255).astype(np.uint8)
        write_png(out / "gallery/x/source" / f"{name}.png", labels)
        write_png(out / "gallery/x/target" / f"{name}.png", photo)
        write_png(out / "predictions" / run / f"{name}.png", blur if label == "l1" else photo[:, ::-1])


def write_run(out: Path, label: str, seed: int, **fields: Any) -> RunRecord:
    """Write one finished run; keywords of `spec` and fields of `RunRecord` may be given."""
    names = ("0000", "0010", "0020", "0030")
    keys = {"dataset": "toycity", "direction": "labels2photo"}
    keys |= {
        name: fields.pop(name) for name in ("dataset", "direction", "size_px", "steps") if name in fields
    }
    run_spec = spec(label, seed, **keys)
    run = fields.pop("id", f"{keys['dataset']}-{label.replace('/', '-')}-s{seed}-{keys.get('steps', 800)}")
    measured, per_image = results(label, seed)
    record = RunRecord(
        id=run, kind="run", label=label, spec=run_spec, status="finished", results=measured,
        details=details(label, seed), history=history(label, seed),
        timings={"train": 75.0, "seconds_per_step": 0.09}, environment=environment(),
        gallery=GalleryFiles(names, f"predictions/{run}", "gallery/x/source", "gallery/x/target"),
        created=f"2026-01-0{1 + seed}T10:00:00+00:00",
    )  # fmt: skip
    record = replace(record, **fields)
    if record.gallery is not None:
        images(out, run, label, names)
    write_record(out, record, per_image if record.status == "finished" else None)
    return record


FURTHER = {  # metrics beside `BASE`, with values of a first variant and by how much further ones differ
    "kid": (0.08, 0.01), "lpips": (0.42, 0.03), "grid_artefact": (97.9, -48.0), "diversity": (0.0, 1.7),
    "source_response": (0.1, 0.4),
}  # fmt: skip
FIVE = ("l1", "gan", "cgan", "l1+gan", "l1+cgan")


def write_every_metric(out: Path, dataset: str = "toycity") -> None:
    """The paper's 5 variants x 2 seeds and the reference rows, with 16 columns."""
    for place, label in enumerate(FIVE):
        for seed in (0, 1):
            made, _ = results(label, seed)
            for key, (first, step) in FURTHER.items():
                value = first + step * place + 0.001 * seed
                interval, n = (value - 0.01, value + 0.01), 20 if step > 0.1 else TEST_N
                protocol = {"metric": key, "version": 1}
                made[key] = MetricResult(key, value, goal_of(key), n, protocol, interval=interval)
            write_run(out, label, seed, dataset=dataset, results=made)
    for label in ("real", "copy", "nearest", "random"):
        write_reference(out, label, dataset)


def write_reference(
    out: Path, label: str, dataset: str = "toycity", direction: str = "labels2photo"
) -> RunRecord:
    """Write a reference row."""
    measured, per_image = results(label, 0, spread=0)
    record = RunRecord(
        id=f"{dataset}-{label}", kind="reference", label=label, status="finished", results=measured,
        spec={"data": data_spec(dataset, direction), "training": {"size_px": 64}, "row": label},
        details=details(label, 0), environment=environment(), created="2026-01-01T10:00:00+00:00",
    )  # fmt: skip
    write_record(out, record, per_image)
    return record


def environment() -> dict[str, Any]:
    return {
        "bench": "0.1.0", "commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False,
        "packages": {"torch": "2.11.0"}, "device": "cpu", "processor": "AMD EPYC", "threads": 1,
        "command": "bench run --variants l1,cgan,l1+cgan --dataset toycity --seeds 0,1",
    }  # fmt: skip


def write_output(out: Path, dataset: str = "toycity", direction: str = "labels2photo") -> list[RunRecord]:
    """3 variants x 2 seeds and real, copy, nearest."""
    runs = [
        write_run(out, label, seed, dataset=dataset, direction=direction)
        for label in ("l1", "cgan", "l1+cgan")
        for seed in (0, 1)
    ]
    return [
        *runs,
        *(write_reference(out, label, dataset, direction) for label in ("real", "copy", "nearest", "random")),
    ]

"""Measured speeds in the cache, for estimates: a file for each device and kind of step."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from baselines.documents import later_fields, stated
from baselines.engine import describe_device
from baselines.variants import Variant
from bench.core.documents import DocumentError, read_json
from bench.core.environment import cpu_name
from bench.core.files import write_text
from bench.core.resources import cache_dir
from bench.launch.cost.measure import Question

_FIRST = {one.name for one in fields(Variant)} - later_fields(Variant).keys()  # chosen below, one by one


def keep(question: Question, result: dict[str, Any]) -> Path:
    """Put a result of `measure` into the cache; returns its path."""
    path = _path(question)
    content = {**_key(question), "measured_on": time.strftime("%Y-%m-%d"), "result": result}
    write_text(path, json.dumps(content, indent=1, allow_nan=False))
    return path


def kept(question: Question) -> tuple[float, str] | None:
    """Seconds a step and the day they were measured; None if not measured."""
    content = _content(question)
    return None if content is None else (content["result"]["ms_per_step"] / 1e3, content["measured_on"])


def kept_rate(question: Question) -> float | None:
    """Images a second of all processes together; None if not measured."""
    content = _content(question)
    return None if content is None else float(content["result"]["images_per_second"])


def _content(question: Question) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = read_json(_path(question))
    except DocumentError:
        return None
    return content


def _path(question: Question) -> Path:
    text = json.dumps(_key(question), sort_keys=True)
    return cache_dir() / "speed" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _key(question: Question) -> dict[str, Any]:
    """All that the time of a step depends on: not seeds, rates or names; on a GPU not the CPU's threads."""
    device = torch.device(question.device)
    variant, settings = question.variant.at_size(question.settings.size_px), asdict(question.settings)
    return {
        "device": describe_device(device),
        "cpu": cpu_name(),
        "torch": torch.__version__,
        "threads": question.threads if device.type == "cpu" else None,
        "jobs": question.jobs,
        "channels": list(question.channels),
        "generator": variant.generator,
        "adversarial": variant.adversarial,
        "receptive_field": variant.receptive_field,
        "norm": variant.norm,
        "dropout": variant.dropout > 0,
        **{name: value for name, value in stated(variant).items() if name not in _FIRST},
        **({"ema": True} if settings["ema"] else {}),
        **{
            name: settings[name]
            for name in ("size_px", "batch_size", "base_filters", "precision", "engine", "jitter")
        },
        **({} if settings["levels"] is None else {"levels": settings["levels"]}),
    }

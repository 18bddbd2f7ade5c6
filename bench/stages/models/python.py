"""`--model NAME=python:MODULE:CALLABLE`: a function of yours, which is run with your rights."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.settings import TestSettings
from bench.core.errors import UsageError
from bench.spec.models import Model, module_file
from bench.stages.models.opened import Asked, Images, Opened, bytes_of, value_range


def open_python(model: Model, images: Images, test: TestSettings, device: str) -> Opened:
    """The function of `MODULE:CALLABLE[,out=LO..HI]`.

    It gets a batch of sources, (N, H, W, C) uint8, and returns as many outputs, (N, H, W, C'): uint8, or
    floats in 0..1 or the stated range. If it has a parameter `seeds`, it gets N whole numbers, to draw its
    noise from: equal seeds must give equal outputs. Now N is 1.

    Raises:
        UsageError: if there is no such function.
    """
    function = _function(model)
    limits, takes_seeds = value_range(model, "out", "0..1"), _takes_seeds(function)

    def translate(asked: Asked) -> Iterator[NDArray[Any]]:
        for source, seed in asked:
            batch = np.array(source[None])  # its own copy: the data must not change
            try:
                made = function(batch, seeds=[seed]) if takes_seeds else function(batch)
            except Exception as error:  # whatever the function raises
                said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                raise UsageError(
                    f"model {model.name}: {model.where} fails on {source.shape}: {said}"
                ) from error
            yield bytes_of(model, made, (1, *source.shape[:2], images.target_channels), limits)[0]

    return Opened(translate, {"seeded": takes_seeds})


def _function(model: Model) -> Callable[..., Any]:
    module, _, name = model.where.rpartition(":")
    try:
        if module.endswith(".py"):
            spec = importlib.util.spec_from_file_location("bench_model", module_file(module))
            assert spec is not None
            assert spec.loader is not None
            found = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(found)
        else:
            found = importlib.import_module(module)
    except Exception as error:  # whatever the module raises
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise UsageError(f"model {model.name}: module {module} cannot be imported: {said}") from error
    function = getattr(found, name, None)
    if not callable(function):
        raise UsageError(f"model {model.name}: expected a function {name} in {module}, found none")
    return function  # type: ignore[no-any-return]


def _takes_seeds(function: Callable[..., Any]) -> bool:
    try:
        return "seeds" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions of other languages tell nothing
        return False

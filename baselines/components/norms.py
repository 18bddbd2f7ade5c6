"""Normalisation of both networks."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.components.registry import Part
from baselines.layers import NORMS, Norm


@dataclass(frozen=True)
class Batch:
    """Over the batch, with scale and shift (Isola et al. 2017, appendix 6.2)."""


@dataclass(frozen=True)
class Instance:
    """Over each image, with scale and shift."""


@dataclass(frozen=True)
class InstancePlain:
    """Over each image, without scale and shift, as in the released PyTorch code."""


@dataclass(frozen=True)
class NoNorm:
    """No normalisation."""


def _batch(fields: Batch) -> Norm:
    return NORMS["batch"]


def _instance(fields: Instance) -> Norm:
    return NORMS["instance"]


def _instance_plain(fields: InstancePlain) -> Norm:
    return NORMS["instance-plain"]


def _none(fields: NoNorm) -> Norm:
    return NORMS["none"]


BATCH = Part(Batch, _batch)
INSTANCE = Part(Instance, _instance)
INSTANCE_PLAIN = Part(InstancePlain, _instance_plain)
NONE = Part(NoNorm, _none)

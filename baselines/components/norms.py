"""Normalisation of both networks."""

from __future__ import annotations

from baselines.components.described import Batch, Instance, InstancePlain, NoNorm
from baselines.components.registry import Part
from baselines.layers import NORMS, Norm


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

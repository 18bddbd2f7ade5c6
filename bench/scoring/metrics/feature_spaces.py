"""The features that images are compared in: those of a network, of predictions and reference, extracted once.

Metrics of one scoring pass that name the same network share them (`ScoringContext.shared`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.core.files import sha256_file
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.metrics.feature_choice import INCEPTION, LITE0
from bench.scoring.metrics.inception_input import PREPARATIONS
from bench.scoring.metrics.set_features import FeatureComparison


@dataclass(frozen=True)
class FeatureSpace:
    """Features of one network.

    Attributes:
        protocol: JSON-able; network, weights, preparation, reference.
        comparison: collects the features of both sides; None without weights.
        reason: why there are no weights, or None.
    """

    protocol: dict[str, Any]
    comparison: FeatureComparison | None
    reason: str | None = None


def space(context: ScoringContext, features: str) -> FeatureSpace:
    """The features of a choice of `--features`.

    Raises:
        UsageError: if the network cannot be used.
    """
    make = {LITE0: _lite0, INCEPTION: _inception}.get(features)
    if make is None:
        return _shared(context, features, lambda: _of_file(context, features))
    return _shared(context, features, lambda: make(context))


def _shared(context: ScoringContext, name: str, make: Callable[[], FeatureSpace]) -> FeatureSpace:
    if context.shared is None:
        return make()
    found: FeatureSpace = context.shared.setdefault(("features", name), None) or make()
    context.shared["features", name] = found
    return found


def _lite0(context: ScoringContext) -> FeatureSpace:
    from bench.scoring.metrics.lite0 import FEATURES
    from bench.scoring.metrics.lite0_features import default_feature_network

    network = default_feature_network(context.device)
    protocol: dict[str, Any] = {
        **network.protocol,
        "version": 1,
        "size_px": context.size_px,
        "feature_dim": FEATURES,
        "reference": "test",
    }
    identity = {**protocol, "arithmetic": "folded"}  # features of both sides are rounded alike
    return FeatureSpace(protocol, FeatureComparison(context, network.features, identity))


def _inception(context: ScoringContext) -> FeatureSpace:
    prepared = PREPARATIONS[context.fid_protocol]
    protocol: dict[str, Any] = {
        "version": 1,
        "size_px": context.size_px,
        "fid_protocol": prepared.name,
        "network": "inception-v3-compat 2015-12-05",
        "features": "pool3, 2048",
        "resize": prepared.resize,
        "normalisation": prepared.normalisation,
        "reference": "test",
        "weights": None,
    }
    if context.inception_weights is None:
        return FeatureSpace(protocol, None, context.inception_reason or "no Inception weights found")
    from bench.scoring.metrics.inception import RELEASED_PREFIX, load_inception

    digest = sha256_file(context.inception_weights)
    protocol["weights"] = digest[:16]
    if not digest.startswith(RELEASED_PREFIX):
        protocol["network"] = "inception-v3-compat, weights not the released ones"
    network = load_inception(context.inception_weights, context.device, context.fid_protocol)
    return FeatureSpace(protocol, FeatureComparison(context, network, dict(protocol)))


def _of_file(context: ScoringContext, features: str) -> FeatureSpace:
    from bench.scoring.metrics.feature_choice import feature_file
    from bench.scoring.metrics.feature_file import open_feature_file

    network = open_feature_file(feature_file(features), context.device)
    protocol = {**network.protocol, "version": 1, "size_px": context.size_px, "reference": "test"}
    return FeatureSpace(protocol, FeatureComparison(context, network.features, dict(protocol)))

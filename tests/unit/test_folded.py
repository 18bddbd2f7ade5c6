"""Networks arranged for inference compute the same function, and freed memory is kept while scoring."""

from __future__ import annotations

import platform

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.core.freed_memory import kept_by_the_process
from bench.scoring.judges.fcn_lite0 import FCNLite0
from bench.scoring.metrics.lite0 import folded_lite0, pretrained_lite0


def shown(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (63, 97), (224, 224)])
@torch.no_grad()
def test_folded_features_equal_those_of_float64(height: int, width: int) -> None:
    network, images = pretrained_lite0(), shown(height, width)
    folded = folded_lite0(network)(images)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded_lite0(network).modules())
    exact = network.double()(images.double())
    assert float((folded - exact).abs().max()) < 1e-4 * float(exact.abs().max())


@torch.no_grad()
def test_a_folded_judge_gives_the_same_scores_and_leaves_its_network_alone() -> None:
    torch.manual_seed(0)
    judge = FCNLite0(5)
    for part in judge.modules():
        if isinstance(part, nn.BatchNorm2d):  # as if it had been trained
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 2)
            part.weight.uniform_(0.5, 1.5)
            part.bias.normal_(0, 0.1)
    judge.eval()
    names, images = list(judge.state_dict()), shown(64, 96)
    folded = judge.folded()
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    assert list(judge.state_dict()) == names
    plain = judge(images)
    assert float((folded(images) - plain).abs().max()) < 1e-4 * float(plain.abs().max())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_freed_memory_is_taken_again_without_page_faults() -> None:
    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            np.empty(20_000_000).fill(1.0)  # 160 MB
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    outside = faults()
    with kept_by_the_process():
        faults()
        assert faults() < outside / 20 + 50
    assert faults() > outside / 2  # given back again afterwards

"""What fits a size, by arithmetic, against the networks themselves."""

from __future__ import annotations

import pytest
import torch

from baselines.discriminators import Discriminator, check_fits
from baselines.geometry import (
    RECEPTIVE_FIELDS,
    STRIDED_LAYERS,
    depth,
    dropout_steps,
    fitting,
    output_side,
    smallest_covering,
)

SIZES = [32, 64, 128, 256, 512]


def test_depth_is_the_logarithm() -> None:
    assert [depth(size) for size in SIZES] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("size_px", [0, 1, 16, 31, 33, 96, 100, 255, 1024, -64])
def test_sizes_the_generator_cannot_halve_are_refused(size_px: int) -> None:
    with pytest.raises(ValueError, match=f"32, 64, 128, 256 or 512 px, found {size_px}"):
        depth(size_px)


def test_three_dropout_layers_at_every_size() -> None:
    assert [dropout_steps(size) for size in SIZES] == [range(3)] * 5
    assert all(len(dropout_steps(size)) <= depth(size) - 2 for size in SIZES)


@pytest.mark.parametrize("receptive_field", RECEPTIVE_FIELDS)
def test_receptive_fields_follow_from_the_layers(receptive_field: int) -> None:
    if receptive_field == 1:
        return
    seen = 1
    for stride in [1, 1] + [2] * STRIDED_LAYERS[receptive_field]:  # from the output back to the image
        seen = (seen - 1) * stride + 4
    assert seen == receptive_field


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("receptive_field", RECEPTIVE_FIELDS)
def test_output_side_is_the_networks_own(receptive_field: int, size_px: int) -> None:
    side = output_side(receptive_field, size_px)
    if side < 1:
        assert receptive_field not in fitting(size_px)
        with pytest.raises(ValueError, match=f"{receptive_field} px .* cannot be built at {size_px} px"):
            check_fits(receptive_field, size_px)
        return
    check_fits(receptive_field, size_px)
    with torch.device("meta"):
        network = Discriminator(3, receptive_field, base_filters=2)
        logits = network(None, torch.empty(1, 3, size_px, size_px))
    assert logits.shape == (1, 1, side, side)


def test_the_paper_s_limits() -> None:
    assert output_side(70, 256) == 30
    assert output_side(286, 256) == 6
    assert 286 not in fitting(64)
    assert 142 not in fitting(32)
    assert [smallest_covering(size) for size in SIZES] == [34, 70, 142, 286, 286]

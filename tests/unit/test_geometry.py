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
    padded_size,
    smallest_covering,
)
from baselines.sizes import ImageSize, Size

SIZES = [32, 64, 128, 256, 512]


def test_depth_is_the_logarithm() -> None:
    assert [depth(size) for size in SIZES] == [5, 6, 7, 8, 9]


def test_depth_of_other_sizes_is_what_the_shorter_side_bears() -> None:
    found = {"512x256": 8, "256x512": 8, "256x128": 7, 200: 7, "480x360": 8, 33: 5, 1024: 9, "2048x1024": 9}
    assert {size: depth(size) for size in found} == found


@pytest.mark.parametrize("size", [0, 1, 16, 31, 2049, -64, "64x31", "31x64", "4096x512"])
def test_sizes_beyond_the_limits_are_refused(size: Size) -> None:
    with pytest.raises(ValueError, match=f"32 to 2048 px on each side, found {size}"):
        depth(size)


def test_what_is_no_multiple_is_padded_to_the_next() -> None:
    assert padded_size(ImageSize(200, 250), 7) == ImageSize(256, 256)
    assert padded_size(ImageSize(512, 256), 8) == ImageSize(512, 256)
    assert padded_size(ImageSize(480, 360), 8) == ImageSize(512, 512)


def test_three_dropout_layers_at_every_size() -> None:
    levels = [depth(size) for size in SIZES]
    assert [dropout_steps(one) for one in levels] == [range(3)] * 5
    assert all(len(dropout_steps(one)) <= one - 2 for one in levels)
    assert [dropout_steps(one, "released") for one in levels] == [range(1, end) for end in (1, 2, 3, 4, 5)]


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


def test_in_a_rectangle_fields_fit_the_shorter_side_and_cover_the_longer() -> None:
    assert fitting("512x32") == fitting(32)
    assert smallest_covering("128x64") == 142
    assert smallest_covering("256x128") == 286
    assert smallest_covering("512x256") == 286  # covers the height only
    assert smallest_covering("512x32") == fitting(32)[-1]  # the largest that can be built
    with torch.device("meta"):
        network = Discriminator(3, 142, base_filters=2)
        logits = network(None, torch.empty(1, 3, 64, 128))
    assert logits.shape == (1, 1, output_side(142, 64), output_side(142, 128))

"""Parameter counts and receptive fields against the paper and against formulas written here."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from baselines.discriminators import Discriminator
from baselines.generators import Generator
from baselines.geometry import RECEPTIVE_FIELDS, output_side
from baselines.layers import parameter_count

CONV = 4 * 4


def unet_parameters(size_px: int, inputs: int, outputs: int, base: int, *, skips: bool = True) -> int:
    """Appendix 6.1.1, spelled out: weights without bias where a BatchNorm (scale, shift) follows."""
    names = {32: 5, 64: 6, 128: 7, 256: 8, 512: 9}
    widths = [base, 2 * base, 4 * base, 8 * base, 8 * base, 8 * base, 8 * base, 8 * base, 8 * base][
        : names[size_px]
    ]
    total = 0
    previous = inputs
    for place, width in enumerate(widths):
        total += CONV * previous * width
        if 0 < place < len(widths) - 1:
            total += 2 * width
        previous = width
    for place, width in enumerate(reversed(widths[:-1])):
        total += CONV * previous * (2 if skips and place > 0 else 1) * width + 2 * width
        previous = width
    return total + CONV * previous * (2 if skips else 1) * outputs + outputs


def patchgan_parameters(inputs: int, widths: list[int]) -> int:
    """Appendix 6.1.2: a bias on the first and the last layer, BatchNorm between."""
    total = CONV * inputs * widths[0] + widths[0]
    for before, after in itertools.pairwise(widths):
        total += CONV * before * after + 2 * after
    return total + CONV * widths[-1] + 1


def meta_count(build: type[nn.Module], *args: object, **options: object) -> int:
    with torch.device("meta"):
        return parameter_count(build(*args, **options))


@pytest.mark.parametrize(("size_px", "millions"), [(256, 54.41), (64, 29.24)])
def test_unet_has_the_published_number_of_parameters(size_px: int, millions: float) -> None:
    assert round(meta_count(Generator, 3, 3, size_px) / 1e6, 2) == millions


def test_patchgan_has_the_published_number_of_parameters() -> None:
    assert round(meta_count(Discriminator, 6, 70) / 1e6, 2) == 2.77


@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize(("inputs", "outputs", "base"), [(3, 3, 64), (1, 3, 32), (4, 1, 8)])
def test_generators_by_hand(size_px: int, skips: bool, inputs: int, outputs: int, base: int) -> None:
    count = meta_count(Generator, inputs, outputs, size_px, base_filters=base, skips=skips)
    assert count == unet_parameters(size_px, inputs, outputs, base, skips=skips)


@pytest.mark.parametrize(
    ("receptive_field", "widths"),
    [
        (16, [64, 128]), (34, [64, 128, 256]), (70, [64, 128, 256, 512]),
        (142, [64, 128, 256, 512, 512]), (286, [64, 128, 256, 512, 512, 512]),
    ],
)  # fmt: skip
def test_discriminators_by_hand(receptive_field: int, widths: list[int]) -> None:
    for inputs in (3, 4, 6):
        assert meta_count(Discriminator, inputs, receptive_field) == patchgan_parameters(inputs, widths)


def test_pixelgan_by_hand() -> None:
    assert meta_count(Discriminator, 6, 1) == (6 * 64 + 64) + (64 * 128 + 2 * 128) + 128


@pytest.mark.parametrize("receptive_field", RECEPTIVE_FIELDS)
def test_receptive_field_by_gradient(receptive_field: int) -> None:
    """The image's pixels that move the map's central logit: a square of the named side."""
    size_px = 64 if receptive_field <= 34 else 512
    torch.manual_seed(0)
    network = Discriminator(1, receptive_field, base_filters=2, norm="none").double()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)  # positive: nothing cancels, nothing underflows to 0
    image = torch.rand(1, 1, size_px, size_px, dtype=torch.float64, requires_grad=True)
    logits = network(None, image)
    side = output_side(receptive_field, size_px)
    assert logits.shape[-1] == side
    logits[0, 0, side // 2, side // 2].backward()
    assert image.grad is not None
    seen = image.grad[0, 0] != 0
    rows, columns = seen.any(dim=1).nonzero(), seen.any(dim=0).nonzero()
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (receptive_field,) * 2
    assert int(seen.sum()) == receptive_field**2

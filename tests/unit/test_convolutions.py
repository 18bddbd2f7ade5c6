"""The quick convolutions are torch's own functions, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from baselines.convolutions import FEW_POSITIONS, Conv, ConvTranspose

LAYERS = [
    # the layer, torch's own, its arguments, the largest side at which one image has FEW_POSITIONS positions
    (Conv, nn.Conv2d, {"kernel_size": 4, "stride": 2, "padding": 1}, 16),
    (Conv, nn.Conv2d, {"kernel_size": 4, "stride": 1, "padding": 1}, 9),
    (Conv, nn.Conv2d, {"kernel_size": 1}, 8),
    (ConvTranspose, nn.ConvTranspose2d, {"kernel_size": 4, "stride": 2, "padding": 1}, 8),
]


def gradients(layer: nn.Module, features: Tensor) -> list[Tensor]:
    features = features.clone().requires_grad_()
    out = layer(features)
    layer.zero_grad()
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    assert features.grad is not None
    return [out.detach(), features.grad, *(weight.grad for weight in layer.parameters())]


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("side", [2, 4, 9, 16, 20])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("ours", "torchs", "how", "largest"), LAYERS)
def test_outputs_and_gradients_are_those_of_torch(ours, torchs, how, largest, bias, side, images):
    torch.manual_seed(0)
    quick, plain = ours(3, 5, **how, bias=bias).double(), torchs(3, 5, **how, bias=bias).double()
    if side + 2 * how.get("padding", 0) < how["kernel_size"]:
        pytest.skip("the kernel does not fit")
    plain.load_state_dict(quick.state_dict())
    features = torch.randn(images, 3, side, side, dtype=torch.float64)
    for found, expected in zip(gradients(quick, features), gradients(plain, features), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("ours", "torchs", "how", "largest"), LAYERS)
def test_the_product_is_taken_where_there_are_few_positions_and_only_there(ours, torchs, how, largest):
    assert FEW_POSITIONS == 64
    layer = ours(2, 2, **how)
    for side, product in ((largest, True), (largest + 2, False)):
        layer.bias = None
        taken = type(layer(torch.randn(1, 2, side, side, requires_grad=True)).grad_fn).__name__
        assert ("Product" in taken) == product, taken


def test_gradients_hold_numerically():
    layer = ConvTranspose(2, 3, 4, stride=2, padding=1).double()
    assert torch.autograd.gradcheck(layer, torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize(("ours", "torchs", "how", "largest"), LAYERS)
def test_gradients_can_be_differentiated_again_as_torchs_can(ours, torchs, how, largest):
    """A gradient penalty is a loss on a gradient."""
    torch.manual_seed(0)
    quick, plain = ours(2, 3, **how).double(), torchs(2, 3, **how).double()
    plain.load_state_dict(quick.state_dict())
    start = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    found = []
    for layer in (quick, plain):
        features = start.clone().requires_grad_()
        (slope,) = torch.autograd.grad(layer(features).square().sum(), features, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), [features, *layer.parameters()]))
    assert "Product" in type(quick(start.requires_grad_()).grad_fn.next_functions[0][0]).__name__
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    smaller = start[:1, :, :3, :3].detach().requires_grad_()
    if smaller.shape[-1] + 2 * how.get("padding", 0) >= how["kernel_size"]:
        assert torch.autograd.gradgradcheck(quick, smaller)


def test_frozen_weights_get_no_gradient_and_inputs_still_do():
    layer = Conv(2, 3, 4, stride=2, padding=1).requires_grad_(False)
    features = torch.randn(1, 2, 4, 4, requires_grad=True)
    layer(features).sum().backward()
    assert features.grad is not None
    assert layer.weight.grad is None


def test_under_autocast_the_layer_is_torchs_own():
    layer = Conv(2, 3, 4, stride=2, padding=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(1, 2, 4, 4)).dtype == torch.bfloat16

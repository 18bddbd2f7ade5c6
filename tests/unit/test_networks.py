"""The networks: shapes, ranges, skips, where normalisation and dropout sit, how weights start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from baselines.discriminators import Discriminator
from baselines.generators import Generator
from baselines.pairs import to_image, to_tensor

CPU = torch.device("cpu")


@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
@pytest.mark.parametrize("skips", [True, False])
def test_an_image_of_the_same_size_in_range(size_px: int, skips: bool) -> None:
    torch.manual_seed(0)
    generator = Generator(3, 3, size_px, base_filters=2, skips=skips)
    nn.init.normal_(generator.up[-1][1].weight, std=10.0)  # loud: Tanh alone keeps the range
    with torch.no_grad():
        image = generator(torch.rand(1, 3, size_px, size_px) * 2 - 1)
    assert image.shape == (1, 3, size_px, size_px)
    assert 0.5 < image.abs().max() <= 1


@pytest.mark.parametrize("source_channels", [1, 3])
@pytest.mark.parametrize("target_channels", [1, 3])
def test_any_number_of_channels(source_channels: int, target_channels: int) -> None:
    generator = Generator(source_channels, target_channels, 32, base_filters=2)
    assert generator(torch.zeros(2, source_channels, 32, 32)).shape == (2, target_channels, 32, 32)


def test_each_level_halves_down_to_one_pixel_and_up_again() -> None:
    generator = Generator(3, 3, 64, base_filters=2)
    sides: list[int] = []
    for layer in [*generator.down, *generator.up]:
        layer.register_forward_hook(lambda _module, _inputs, output: sides.append(output.shape[-1]))
    generator(torch.zeros(1, 3, 64, 64))
    assert sides == [32, 16, 8, 4, 2, 1, 2, 4, 8, 16, 32, 64]


@pytest.mark.parametrize("skips", [True, False])
def test_only_the_unet_has_a_way_around_the_bottleneck(skips: bool) -> None:
    """With the bottleneck silenced, the encoder-decoder knows nothing of its source; the U-Net does."""
    torch.manual_seed(0)
    generator = Generator(3, 3, 32, base_filters=2, skips=skips, dropout=0.0)
    generator.down[-1].register_forward_hook(lambda _module, _inputs, output: torch.zeros_like(output))
    one, other = generator(torch.rand(1, 3, 32, 32)), generator(torch.rand(1, 3, 32, 32))
    assert torch.equal(one, other) is not skips


def test_skips_join_layer_i_with_layer_n_minus_i() -> None:
    generator = Generator(3, 3, 64, base_filters=2)
    down: list[torch.Tensor] = []
    joined: list[torch.Tensor] = []
    for layer in generator.down:
        layer.register_forward_hook(lambda _module, _inputs, output: down.append(output))
    for layer in generator.up:
        layer.register_forward_pre_hook(lambda _module, inputs: joined.append(inputs[0]))
    generator(torch.rand(1, 3, 64, 64))
    assert torch.equal(joined[0], down[-1])
    for step in range(1, 6):
        skipped = down[-1 - step]
        assert torch.equal(joined[step][:, : skipped.shape[1]], skipped)


@pytest.mark.parametrize("size_px", [32, 64, 256])
def test_no_normalisation_on_the_first_layer_nor_at_the_bottleneck(size_px: int) -> None:
    generator = Generator(3, 3, size_px, base_filters=2)

    def normalised(layer: nn.Module) -> bool:
        return any(isinstance(part, nn.BatchNorm2d) for part in layer.modules())

    levels = len(generator.down)
    assert [normalised(layer) for layer in generator.down] == [0 < i < levels - 1 for i in range(levels)]
    assert [normalised(layer) for layer in generator.up] == [i < levels - 1 for i in range(levels)]
    for receptive_field, count in ((1, 1), (16, 1), (70, 3), (286, 5)):
        network = Discriminator(3, receptive_field, base_filters=2)
        assert isinstance(network.layers[1], nn.LeakyReLU)
        assert sum(isinstance(layer, nn.BatchNorm2d) for layer in network.layers) == count


@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
def test_dropout_in_the_three_innermost_decoder_layers(size_px: int) -> None:
    generator = Generator(3, 3, size_px, base_filters=2, dropout=0.3)
    where = [[part.p for part in layer if isinstance(part, nn.Dropout)] for layer in generator.up]
    assert where == [[0.3]] * 3 + [[]] * (len(where) - 3)
    without = Generator(3, 3, size_px, base_filters=2, dropout=0.0)
    assert not any(isinstance(part, nn.Dropout) for part in without.modules())


@pytest.mark.parametrize(("size_px", "count"), [(32, 0), (64, 1), (128, 2), (256, 3), (512, 4)])
@pytest.mark.parametrize("skips", [True, False])
def test_released_dropout_is_one_layer_later_and_in_levels_minus_five_layers(
    size_px: int, count: int, skips: bool
) -> None:
    """The released `UnetGenerator` gives dropout to the `num_downs - 5` blocks around the innermost."""
    generator = Generator(3, 3, size_px, base_filters=2, skips=skips, dropout=0.3, dropout_at="released")
    where = [[part.p for part in layer if isinstance(part, nn.Dropout)] for layer in generator.up]
    assert where == [[]] + [[0.3]] * count + [[]] * (len(where) - 1 - count)


@pytest.mark.parametrize(("norm", "kind"), [("instance", nn.InstanceNorm2d), ("none", nn.Identity)])
def test_the_other_normalisations(norm: str, kind: type[nn.Module]) -> None:
    generator = Generator(3, 3, 32, base_filters=2, norm=norm)
    parts = list(generator.modules())
    assert not any(isinstance(part, nn.BatchNorm2d) for part in parts)
    assert any(isinstance(part, kind) for part in parts)
    assert generator(torch.rand(1, 3, 32, 32)).isfinite().all()
    assert Discriminator(3, 34, base_filters=2, norm=norm)(None, torch.rand(1, 3, 32, 32)).isfinite().all()


def test_slopes_and_activations() -> None:
    generator, network = Generator(3, 3, 256, base_filters=2), Discriminator(6, 70, base_filters=2)
    slopes = {
        part.negative_slope
        for part in [*generator.modules(), *network.modules()]
        if isinstance(part, nn.LeakyReLU)
    }
    assert slopes == {0.2}
    assert not any(isinstance(part, nn.LeakyReLU) for part in generator.up.modules())
    assert isinstance(generator.up[-1][-1], nn.Tanh)
    assert not any(isinstance(part, nn.Sigmoid) for part in network.modules())


def test_weights_start_as_the_paper_says() -> None:
    torch.manual_seed(0)
    generator = Generator(3, 3, 64, base_filters=32)
    weights = torch.cat([p.flatten() for n, p in generator.named_parameters() if p.ndim == 4])
    assert weights.mean().abs() < 1e-4
    assert abs(weights.std().item() - 0.02) < 1e-4
    norms = [part for part in generator.modules() if isinstance(part, nn.BatchNorm2d)]
    scales = torch.cat([norm.weight for norm in norms])
    assert abs(scales.mean().item() - 1) < 0.005
    assert abs(scales.std().item() - 0.02) < 0.002
    assert not any(norm.bias.any() for norm in norms)


def test_the_discriminator_sees_source_and_image() -> None:
    torch.manual_seed(0)
    network = Discriminator(4, 16, base_filters=2)
    source, image = torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32)
    assert torch.equal(network(source, image), network(None, torch.cat([source, image], dim=1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_sample_value_survives_the_way_there_and_back(dtype: type) -> None:
    top = np.iinfo(dtype).max
    side = 16 if dtype is np.uint8 else 256
    values = np.arange(top + 1, dtype=dtype).reshape(1, side, side, 1)
    tensor = to_tensor(values, CPU)
    assert tensor.dtype == torch.float32
    assert (tensor.min(), tensor.max(), tensor.shape) == (-1, 1, (1, 1, side, side))
    back = to_image(tensor, np.dtype(dtype))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, values)


def test_images_are_rounded_and_clamped() -> None:
    grey = torch.tensor([-1.5, -1.0, (2 * 99.6 / 255) - 1, (2 * 99.4 / 255) - 1, 1.0, 1.5])
    image = to_image(grey.reshape(1, 1, 2, 3), np.dtype(np.uint8))
    np.testing.assert_array_equal(image.ravel(), [0, 0, 100, 99, 255, 255])

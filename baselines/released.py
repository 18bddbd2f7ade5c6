"""Generators of the released PyTorch code (`models/networks.py`): their weights under our names, and back.

The released U-Net and ResNet compute what ours do (`dropout_at=released`, `norm=batch` or `instance-plain`);
only the U-Net's layers have other names there. See `UnetSkipConnectionBlock` and `ResnetGenerator` there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from baselines.build import build_generator
from baselines.settings import TrainingSettings
from baselines.state import unlike
from baselines.variants import Variant

NetG = Literal["unet_128", "unet_256", "resnet_6blocks", "resnet_9blocks"]
_LEVELS = {"unet_128": 7, "unet_256": 8}
_BLOCKS = {"resnet_6blocks": 6, "resnet_9blocks": 9}
NETS: tuple[str, ...] = (*_LEVELS, *_BLOCKS)
_RUNNING = ("running_mean", "running_var", "num_batches_tracked")
_NORMS = {"batch": "batch", "instance": "instance-plain"}


@dataclass(frozen=True)
class Architecture:
    """A released generator, in the words of the released options.

    Attributes:
        net: `--netG`.
        norm: `--norm`: "batch" or "instance".
        dropout: whether it was built with dropout (not `--no_dropout`).
        filters: `--ngf`.
        source_channels, target_channels: `--input_nc`, `--output_nc`.
    """

    net: str
    norm: str
    dropout: bool
    filters: int
    source_channels: int
    target_channels: int

    @property
    def levels(self) -> int:
        """How often it halves an image: its sides must be multiples of 2 to this power."""
        return _LEVELS.get(self.net, 2)

    @property
    def words(self) -> str:
        """Such as "unet_128, ngf 64, batch norm, dropout"."""
        return f"{self.net}, ngf {self.filters}, {self.norm} norm, {'' if self.dropout else 'no '}dropout"

    @property
    def variant(self) -> Variant:
        """The variant whose generator it is; its losses are not known and mean nothing."""
        generator = "unet" if self.net in _LEVELS else f"resnet{_BLOCKS[self.net]}"
        parts = (("dropout_at", "released"),) if generator == "unet" else ()
        return Variant(
            f"released {self.net}",
            generator,
            dropout=0.5 if self.dropout else 0,
            norm=_NORMS[self.norm],
            parts=parts,
            source="trained elsewhere, by the released PyTorch code",
        )

    @property
    def settings(self) -> TrainingSettings:
        """Width and depth in the form that builds the network; nothing is known of its training."""
        size = 2 ** _LEVELS.get(self.net, 8)
        return TrainingSettings(steps=1, size_px=size, base_filters=self.filters)

    def build(self) -> nn.Module:
        """The generator, with fresh weights."""
        return build_generator(self.variant, self.settings, self.source_channels, self.target_channels)


def recognised(weights: Mapping[str, Tensor], named: Mapping[str, str] | None = None) -> Architecture:
    """The architecture of a state dict of the released code, from its names and shapes.

    Args:
        weights: as `torch.save(netG.state_dict())` has them.
        named: any of netG, norm, dropout ("0" or "1") and ngf, which then are not looked for. A U-Net's
            weights do not tell its dropout: it is on unless named, the default of the released pix2pix.

    Raises:
        ValueError: if it is none of theirs.
    """
    named = named or {}
    is_resnet = any(".conv_block." in name for name in weights)
    first = weights.get("model.1.weight" if is_resnet else "model.model.0.weight")
    if first is None or first.ndim != 4:
        raise ValueError(
            "expected a generator of the released code (names such as model.model.0.weight), found "
            f"{', '.join(list(weights)[:3]) or 'no weights'}"
        )
    net = named.get("netG") or _net_of(weights, is_resnet)
    if net not in NETS:
        raise ValueError(f"expected netG to be one of {', '.join(NETS)}, found {net}")
    if (net in _BLOCKS) != is_resnet:
        kind = "ResNet" if is_resnet else "U-Net"
        raise ValueError(f"expected the weights of a {net}, found those of a {kind}: name its own netG")
    last = weights.get(_last(weights) if is_resnet else "model.model.3.weight")
    if last is None or last.ndim != 4:
        raise ValueError("expected the last convolution of a released generator, found none")
    return Architecture(
        net,
        _norm(named.get("norm") or _norm_of(weights, is_resnet)),
        _dropout(named, weights, is_resnet),
        int(named.get("ngf", first.shape[0])),
        int(first.shape[1]),
        int(last.shape[0 if is_resnet else 1]),
    )


def _net_of(weights: Mapping[str, Tensor], is_resnet: bool) -> str:
    if is_resnet:
        blocks = len({name.split(".")[1] for name in weights if ".conv_block." in name})
        return f"resnet_{blocks}blocks"
    levels = 1
    while any(name.startswith(_inside(levels)) for name in weights):
        levels += 1
    return f"unet_{2**levels}"


def _norm_of(weights: Mapping[str, Tensor], is_resnet: bool) -> str:
    convolution, norm = ("model.1", "model.2") if is_resnet else (f"{_inside(1)}1", f"{_inside(1)}2")
    if f"{norm}.weight" in weights:
        return "batch"
    return "instance" if f"{convolution}.bias" in weights else "none"


def _norm(name: str) -> str:
    if name not in _NORMS:
        raise ValueError(f"expected norm to be one of {', '.join(_NORMS)}, found {name}")
    return name


def _dropout(named: Mapping[str, str], weights: Mapping[str, Tensor], is_resnet: bool) -> bool:
    if "dropout" in named:
        if named["dropout"] not in ("0", "1"):
            raise ValueError(f"expected dropout to be 0 or 1, found {named['dropout']}")
        return named["dropout"] == "1"
    if not is_resnet:
        return True
    return any(name.endswith(".conv_block.6.weight") and w.ndim == 4 for name, w in weights.items())


def _last(weights: Mapping[str, Tensor]) -> str:
    places = [int(part) for name in weights if (part := name.split(".")[1]).isdigit()]
    return f"model.{max(places, default=0)}.weight"


def _inside(level: int) -> str:
    """Where the block of a U-Net's level begins in its names; 0 is the outermost."""
    return "model.model." + ("1.model." if level else "") + "3.model." * (level - 1)


def _layers(architecture: Architecture) -> dict[str, str]:
    """Our layer -> the released one; {} where all names agree."""
    if architecture.net not in _LEVELS:
        return {}
    levels = architecture.levels
    names = {"down.0.0": "model.model.0", f"up.{levels - 1}.1": "model.model.3"}
    for level in range(1, levels):
        inside, up = _inside(level), f"up.{levels - 1 - level}"
        names[f"down.{level}.1"] = f"{inside}1"
        if level == levels - 1:  # innermost: no norm below, so what follows has smaller numbers
            names |= {f"{up}.1": f"{inside}3", f"{up}.2": f"{inside}4"}
        else:
            names |= {f"down.{level}.2": f"{inside}2", f"{up}.1": f"{inside}5", f"{up}.2": f"{inside}6"}
    return names


def _renamed(weights: Mapping[str, Tensor], layers: Mapping[str, str]) -> dict[str, Tensor]:
    found = {}
    for name, value in weights.items():
        layer, _, leaf = name.rpartition(".")
        found[f"{layers.get(layer, layer)}.{leaf}"] = value
    return found


def load(weights: Mapping[str, Tensor], architecture: Architecture) -> nn.Module:
    """The generator with these weights, in train mode.

    Running statistics of an instance norm, which versions of torch before 0.4 wrote, are left out, as the
    released code does.

    Raises:
        ValueError: if they are another network's: which layer, which shapes.
    """
    if architecture.norm == "instance":
        weights = {k: v for k, v in weights.items() if k.rpartition(".")[2] not in _RUNNING}
    with torch.device("meta"):
        described = to_released(architecture.build(), architecture)
    if (differing := unlike(described, weights)) is not None:
        name, wanted, found = differing
        raise ValueError(
            f"expected the weights of {architecture.words}: layer {name}: expected {wanted}, found {found}: "
            "name the network by netG=, norm=, dropout=, ngf="
        )
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"expected finite weights, found NaN or infinity in layer {name}")
    network = architecture.build()
    layers = {theirs: ours for ours, theirs in _layers(architecture).items()}
    network.load_state_dict(_renamed(weights, layers))
    return network.train()


def to_released(generator: nn.Module, architecture: Architecture) -> dict[str, Tensor]:
    """The weights of a generator of `architecture.build` under the names of the released code."""
    return _renamed(generator.state_dict(), _layers(architecture))


def released_form(
    variant: Variant, settings: TrainingSettings, source_channels: int, target_channels: int
) -> Architecture:
    """The released architecture that a generator trained here has.

    Only U-Nets of 128 and 256 px: their state dicts are all that the released options can describe.

    Raises:
        ValueError: if the released code has no such class.
    """
    nets: dict[int, str] = {levels: net for net, levels in _LEVELS.items()}
    norm = next((theirs for theirs, ours in _NORMS.items() if ours == variant.norm), None)
    wrong = {
        f"generator {variant.generator}": variant.generator != "unet",
        f"{settings.generator_levels} levels": settings.generator_levels not in nets,
        f"norm={variant.norm}": norm is None,
        f"upsample={variant.upsample}": variant.upsample != "transposed",
    }
    if found := [words for words, is_wrong in wrong.items() if is_wrong]:
        raise ValueError(
            "expected a U-Net of 128 or 256 px (7 or 8 levels) with norm=batch or instance-plain and "
            f"upsample=transposed for the released format, found {', '.join(found)}: export torchscript"
        )
    has_dropout = variant.dropout == 0.5 and variant.value("dropout_at") == "released"
    return Architecture(
        nets[settings.generator_levels], str(norm), has_dropout, settings.base_filters,
        source_channels, target_channels,
    )  # fmt: skip

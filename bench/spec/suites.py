"""Suites: the paper's tables, and ablations of parts, by name."""

from __future__ import annotations

from dataclasses import dataclass

from bench.core.errors import unknown_name


@dataclass(frozen=True)
class Suite:
    """Variants that belong together.

    Attributes:
        name, about, source: as shown to people.
        variants: names in the variant grammar; "NAME@RECIPE" is a variant by a recipe.
        dataset, direction, batch_size: what the paper used.
    """

    name: str
    about: str
    source: str
    variants: tuple[str, ...]
    dataset: str = "cityscapes"
    direction: str | None = "labels2photo"
    batch_size: int = 1


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "losses",
            "which loss terms earn their keep",
            "Isola et al. 2017, table 1",
            ("l1", "gan", "cgan", "l1+gan", "l1+cgan"),
        ),
        Suite(
            "generators",
            "U-Net against encoder-decoder, at batch size 10",
            "Isola et al. 2017, table 2",
            ("encdec:l1", "encdec:l1+cgan", "l1", "l1+cgan"),
            batch_size=10,
        ),
        Suite(
            "receptive-field",
            "pixels, patches and the full image",
            "Isola et al. 2017, table 3",
            ("l1+cgan/1", "l1+cgan/16", "l1+cgan/70", "imagegan"),
        ),
        Suite(
            "photo2labels",
            "photo to labels: semantic segmentation by pix2pix",
            "Isola et al. 2017, table 6",
            ("l1", "cgan", "l1+cgan"),
            direction="photo2labels",
        ),
        Suite(
            "gan-loss",
            "cross-entropy, least squares and hinge",
            "released GANLoss; Mao et al. 2017, arXiv:1611.04076; Park et al. 2019, arXiv:1903.07291",
            ("l1+cgan", "l1+cgan[gan_loss=lsgan]", "l1+cgan[gan_loss=hinge]"),
        ),
        Suite(
            "upsampling",
            "transposed convolution against resize-convolution",
            "Odena et al. 2016, doi:10.23915/distill.00003",
            ("l1", "l1[upsample=resize]", "l1+cgan", "l1+cgan[upsample=resize]"),
        ),
        Suite(
            "generator-zoo",
            "U-Net, encoder-decoder and ResNets",
            "Isola et al. 2017, section 3.2; Zhu et al. 2017, arXiv:1703.10593, appendix 7.2",
            ("l1+cgan", "encdec:l1+cgan", "resnet6:l1+cgan", "resnet9:l1+cgan"),
        ),
        Suite(
            "paired-or-not",
            "what the pairs are worth: pix2pix against CycleGAN and DiscoGAN on the same images",
            "Zhu et al. 2017, arXiv:1703.10593, tables 2 and 3; Kim et al. 2017, arXiv:1703.05192",
            ("l1+cgan", "cyclegan", "discogan"),
        ),
        Suite(
            "recipes",
            "the paper, the released PyTorch code, and what later work does",
            "the sources in each recipe (`bench list recipes`)",
            ("l1+cgan", "l1+cgan@released", "l1+cgan@modern"),
        ),
    )
}


def get_suite(name: str) -> Suite:
    """The suite called `name`.

    Raises:
        UsageError: for an unknown name, with the nearest.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES, "bench list suites")
    return SUITES[name]

"""The paper's tables, by name."""

from __future__ import annotations

from dataclasses import dataclass

from bench.core.errors import unknown_name


@dataclass(frozen=True)
class Suite:
    """A table of the paper.

    Attributes:
        name, about, source: as shown to people.
        variants: names in the variant grammar.
        dataset, direction: what the paper used.
        batch_size: what the paper used.
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

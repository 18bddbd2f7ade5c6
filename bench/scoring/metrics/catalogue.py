# ruff: noqa: E501  (one line a metric, so that they can be compared)
"""The built-in metric keys: meaning, goal and family of each. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bench.records.record import Goal


@dataclass(frozen=True)
class MetricInfo:
    """A metric key, as tables and `bench list metrics` show it.

    Attributes:
        key: name in records.
        family: entry point that computes it.
        goal: "max", "min" or a target value.
        title: column head.
        about: one line that explains it.
        digits: decimals shown.
        ranks: whether a better value means a better system. If not, the metric only describes: reports mark
            no best variant.
    """

    key: str
    family: str
    goal: Goal
    title: str
    about: str
    digits: int = 3
    ranks: bool = True


ALL = "all"  # in a list of keys: every family that is installed
NEIGHBOURS = "neighbours"  # the family of `--features`: it takes part only where it is asked for
PEOPLE = "people"  # the family of what raters say (`bench people`): nothing computes it

# One metric a line, however long.
# fmt: off
# ruff: noqa: E501
_ALL = [
    MetricInfo("fcn_pixel_acc", "segmentation", "max", "FCN pixel acc.", "share of pixels of the generated photo that a segmentation network labels as the input says"),
    MetricInfo("fcn_class_acc", "segmentation", "max", "FCN class acc.", "the same, averaged over classes"),
    MetricInfo("fcn_class_iou", "segmentation", "max", "FCN class IoU", "intersection over union of those labels, averaged over classes"),
    MetricInfo("label_pixel_acc", "segmentation", "max", "Label pixel acc.", "photo->labels: share of pixels whose nearest palette colour is the right class"),
    MetricInfo("label_class_acc", "segmentation", "max", "Label class acc.", "the same, averaged over classes"),
    MetricInfo("label_class_iou", "segmentation", "max", "Label class IoU", "intersection over union of those classes, averaged over classes"),
    MetricInfo("fid", "fid", "min", "FID", "Fréchet distance of Inception features, generated test set against real test set", 1),
    MetricInfo("kid", "fid", "min", "KID", "unbiased kernel distance of the same features", 4),
    MetricInfo("fd_lite0", "fd_lite0", "min", "FD (Lite0)", "Fréchet distance in the features of a network that needs no download; not an FID", 2),
    MetricInfo("precision", NEIGHBOURS, "max", "Precision (realism)", "share of generated images whose features lie among real ones (5 neighbours); with --features, or by name"),
    MetricInfo("recall", NEIGHBOURS, "max", "Recall (variety)", "share of real test images whose features lie among generated ones: near 0 where all outputs look alike"),
    MetricInfo("density", NEIGHBOURS, "max", "Density", "how many real neighbourhoods hold a generated image, over 5: near 1 as real, far above 1 where outputs crowd together", ranks=False),
    MetricInfo("coverage", NEIGHBOURS, "max", "Coverage (variety)", "share of real test images with a generated one in their neighbourhood"),
    MetricInfo("ssim", "structural", "max", "SSIM", "structural similarity to the target, mean over images; favours blur"),
    MetricInfo("psnr", "structural", "max", "PSNR (dB)", "peak signal-to-noise ratio against the target, mean over images", 2),
    MetricInfo("mae", "structural", "min", "MAE", "mean absolute error against the target, in grey levels of 0-255; of 16-bit and float images in their own units", 2),
    MetricInfo("lpips", "lpips", "min", "LPIPS", "perceptual distance to the target in AlexNet features, mean over images"),
    MetricInfo("pixel_acc@5", "pixels", "max", "Within 5 levels", "share of pixels with all three channels within 5 grey levels of the target"),
    MetricInfo("pixel_acc@10", "pixels", "max", "Within 10 levels", "share of pixels with all three channels within 10 grey levels of the target"),
    MetricInfo("lab_l", "colour", "max", "Lab L", "intersection of the lightness histograms of outputs and targets"),
    MetricInfo("lab_a", "colour", "max", "Lab a", "the same for a (green to red)"),
    MetricInfo("lab_b", "colour", "max", "Lab b", "the same for b (blue to yellow)"),
    MetricInfo("hf_ratio", "spectrum", 1.0, "HF ratio", "power in the upper half of the spectrum, output over target: 1 as sharp, below 1 blurry, above 1 noisy"),
    MetricInfo("grid_artefact", "spectrum", 0.0, "Grid artefact", "power that stands out at periods of 2, 4 and 8 px, more than in the targets: 0 no grid, above 0 a checkerboard", 2),
    MetricInfo("diversity", "diversity", "max", "Diversity", "spread over repeated dropout samples of one input, in grey levels; says nothing of quality", 2, ranks=False),
    MetricInfo("source_response", "diversity", 1.0, "Source response", "how far outputs change when the source is swapped for another, in units of how far the targets differ: 0 ignores its input", ranks=False),
    MetricInfo("people_fooled", PEOPLE, "max", "People fooled", "share of trials in which raters took the generated image for the real one (Isola et al. 2017, section 4.1): 0.5 cannot be told apart"),
    MetricInfo("people_preferred", PEOPLE, "max", "People prefer", "share of trials in which raters chose this variant's image over another variant's"),
]
# fmt: on
CATALOGUE: dict[str, MetricInfo] = {info.key: info for info in _ALL}
PSEUDO = "_pseudo"  # suffix of per-image columns of set distances; their mean is the metric's value
FID_PROTOCOLS = ("torch-fidelity", "pytorch-fid", "clean")  # how images are prepared: `inception_input`


def goal_of(key: str) -> Goal:
    """The goal of a built-in metric key; "max" for an unknown key (plug-ins state their own)."""
    info = CATALOGUE.get(key)
    return info.goal if info else "max"

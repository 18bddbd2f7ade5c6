"""What can be said of each built-in part: its name's meaning and its fields. Imports no torch.

`bench list parts`, `bench list fields` and the check of a field's name need this, and no network. The first
line of a docstring says what the part is, its "Attributes" describe the fields.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

MOST_POOLED = 1000


@dataclass(frozen=True)
class UNet:
    """4x4 convolutions down to 1x1 and up again, with skips (`unet`) or without (`encdec`).

    Attributes:
        dropout_at: which decoder layers have dropout: "paper" (the three innermost, as in the Lua code) or
            "released" (the released PyTorch code: one layer later, log2(size_px) - 5 of them).
    """

    dropout_at: Literal["paper", "released"] = "paper"


@dataclass(frozen=True)
class ResNet:
    """Residual blocks at a quarter of the size, without skips over them; 6 or 9 (Johnson et al. 2016)."""


@dataclass(frozen=True)
class DiscoGenerator:
    """DiscoGAN's: four 4x4 convolutions of stride 2 and four transposed ones, no skips (Kim et al. 2017)."""


@dataclass(frozen=True)
class Patch:
    """A map of logits, each of which sees `receptive_field` px (Isola et al. 2017, section 3.3).

    Attributes:
        spectral_norm: divide each convolution's weight in the discriminator by its largest singular value,
            by one power iteration a forward pass (Miyato et al. 2018, arXiv:1802.05957).
    """

    spectral_norm: bool = False


@dataclass(frozen=True)
class DiscoDiscriminator:
    """DiscoGAN's: one logit for 64 x 64 px, a map of them for larger images (Kim et al. 2017)."""

    SIZED: ClassVar[bool] = False  # receptive_field does not size it


@dataclass(frozen=True)
class Vanilla:
    """Cross-entropy of logits; D's loss is halved (Isola et al. 2017, sections 3.1 and 3.3)."""


@dataclass(frozen=True)
class LeastSquares:
    """Least squares (LSGAN, Mao et al. 2017, arXiv:1611.04076); D's loss is halved, as released."""


@dataclass(frozen=True)
class Hinge:
    """Hinge (Lim and Ye 2017, arXiv:1705.02894) as in SPADE's code: D's loss is not halved."""


@dataclass(frozen=True)
class FeatureMatching:
    """L1 between D's features of the target and of the prediction (pix2pixHD, arXiv:1711.11585).

    Attributes:
        lambda_fm: its weight (pix2pixHD: 10); 0 = none. Four times the mean over D's layers, without the
            logits, as in pix2pixHD's code: 4 / (n_layers_D + 1) for each layer.
    """

    lambda_fm: float = 0.0


@dataclass(frozen=True)
class Perceptual:
    """L1 between an ImageNet classifier's features of prediction and target, averaged over its layers.

    Attributes:
        lambda_perceptual: its weight; 0 = none.
        perceptual: whose features: "lite0" (EfficientNet-Lite0, its weights come with this package),
            "vgg16" or "alexnet" (torchvision's, from `perceptual_file`).
        perceptual_file: the weights' file; a run's hash has its content, not its path.
        perceptual_sha256: what the file has to hold; found out by itself.
    """

    lambda_perceptual: float = 0.0
    perceptual: str = "lite0"
    perceptual_file: str = ""
    perceptual_sha256: str = ""


@dataclass(frozen=True)
class Ssim:
    """1 - SSIM of prediction and target, by torchmetrics.

    Attributes:
        lambda_ssim: its weight; 0 = none. Gaussian of 11 taps, sigma 1.5, images in [-1, 1] (range 2).
    """

    lambda_ssim: float = 0.0


@dataclass(frozen=True)
class TotalVariation:
    """Differences of neighbouring pixels of the prediction: smooths it.

    Attributes:
        lambda_tv: its weight; 0 = none. The sum of absolute differences to the right and lower neighbour,
            divided by the number of values.
    """

    lambda_tv: float = 0.0


@dataclass(frozen=True)
class Transposed:
    """Transposed convolution of stride 2 (Isola et al. 2017, appendix 6.1), 4x4 in the U-Net."""


@dataclass(frozen=True)
class Resize:
    """Nearest neighbour, then a 3x3 convolution (Odena et al. 2016, doi:10.23915/distill.00003)."""


@dataclass(frozen=True)
class Batch:
    """Over the batch, with scale and shift (Isola et al. 2017, appendix 6.2)."""


@dataclass(frozen=True)
class Instance:
    """Over each image, with scale and shift."""


@dataclass(frozen=True)
class InstancePlain:
    """Over each image, without scale and shift, as in the released PyTorch code."""


@dataclass(frozen=True)
class NoNorm:
    """No normalisation."""


@dataclass(frozen=True)
class Vgg16:
    """VGG-16 of torchvision: relu1_2, relu2_2, relu3_3 and relu4_3 (Johnson et al. 2016)."""


@dataclass(frozen=True)
class AlexNet:
    """AlexNet of torchvision: relu1 to relu5 (as in LPIPS, Zhang et al. 2018, arXiv:1801.03924)."""


@dataclass(frozen=True)
class Pairs:
    """A generator on pairs, with or without a discriminator (Isola et al. 2017, section 3)."""


@dataclass(frozen=True)
class Cycle:
    """Two generators and two discriminators without pairs (CycleGAN, Zhu et al. 2017, section 3).

    Attributes:
        lambda_cycle: weight of both cycle losses, L1 between an image and its translation there and back
            (Zhu et al. 2017, eq. 3: 10).
        lambda_identity: weight of both identity losses, as a share of `lambda_cycle` (section 5.2: 0.5);
            0 = none. The paper has them for paintings to photos, the released code always.
        pool_size: generated images that each discriminator's pool holds (section 4: 50); 0 = no pool.
    """

    lambda_cycle: float = 10.0
    lambda_identity: float = 0.5
    pool_size: int = 50

    def __post_init__(self) -> None:
        for name in ("lambda_cycle", "lambda_identity"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected a finite {name} of at least 0, found {getattr(self, name)}")
        if not 0 <= self.pool_size <= MOST_POOLED:
            raise ValueError(f"expected pool_size from 0 to {MOST_POOLED}, found {self.pool_size}")


@dataclass(frozen=True)
class Disco:
    """Two generators and two discriminators without pairs (DiscoGAN, Kim et al. 2017, arXiv:1703.05192).

    A step updates both discriminators or both generators. These minimise, for each direction,
    (1 - rate) * (lambda_gan * adversarial + lambda_features * features) + rate * reconstruction, where
    features is the squared difference of D's features averaged over the batch, reconstruction the mean
    squared error of an image in [0, 1] and its translation there and back. All defaults are those of the
    authors' `image_translation.py`.

    Attributes:
        lambda_features: weight of the differences of D's features, summed over its layers but the first and
            the logits (authors: 0.9, beside lambda_gan=0.1).
        starting_rate: weight of the reconstruction in the first `gan_curriculum` steps.
        default_rate: the same from then on.
        gan_curriculum: steps with `starting_rate`; a shorter training never leaves it.
        update_interval: every so many steps, from the first, the discriminators are updated; in all others
            the generators.
    """

    lambda_features: float = 0.9
    starting_rate: float = 0.01
    default_rate: float = 0.5
    gan_curriculum: int = 10000
    update_interval: int = 3

    def __post_init__(self) -> None:
        for name in ("starting_rate", "default_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"expected {name} from 0 to 1, found {getattr(self, name)}")
        if not 0 <= self.lambda_features < math.inf:
            raise ValueError(f"expected a finite lambda_features of at least 0, found {self.lambda_features}")
        if self.gan_curriculum < 0:
            raise ValueError(f"expected gan_curriculum of at least 0, found {self.gan_curriculum}")
        if self.update_interval < 2:
            raise ValueError(f"expected update_interval of at least 2, found {self.update_interval}")

    def rate_at(self, step: int) -> float:
        """Weight of the reconstruction in step `step`, counted from 0."""
        return self.starting_rate if step < self.gan_curriculum else self.default_rate

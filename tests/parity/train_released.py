"""Train and test the released PyTorch pix2pix with a seed, so that its images can be scored beside ours.

    git archive of its models, data, options, util, scripts, train.py and test.py in RELEASED, then
    python tests/parity/train_released.py RELEASED --data DIR/cityscapes --to OUT --seed 0 [--arm l1]
    bench score OUT/results/l1+cgan-s0/val_latest/images

Its train.py and test.py run as they are, on a CPU with one thread: bicubic resizing, its jitter, its dropout
places, a constant learning rate. (Its default rule is stepped before an epoch, so that without epochs of
decay the last epoch trains at a rate of 0: the rule "step" is taken, with no step in reach.) `--arm l1` takes
the adversarial term out of G's loss at run time and leaves D untrained: its options have no such switch. It
needs the package `dominate`.
"""

from __future__ import annotations

import argparse
import random
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("released", type=Path, help="folder of the released code")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/ of pairs")
    parser.add_argument("--to", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--arm", choices=["l1+cgan", "l1"], default="l1+cgan")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--size", type=int, choices=[128, 256], default=128)
    parser.add_argument("--filters", type=int, default=16)
    return parser.parse_args()


def without_discriminator() -> None:
    """Have the released code train with its L1 term alone."""
    import models
    from models import pix2pix_model

    class L1Only(pix2pix_model.Pix2PixModel):  # type: ignore[misc]
        def optimize_parameters(self) -> None:
            self.forward()
            self.set_requires_grad(self.netD, False)
            self.optimizer_G.zero_grad()
            self.loss_G_GAN = self.loss_D_real = self.loss_D_fake = torch.zeros(())
            self.loss_G_L1 = self.criterionL1(self.fake_B, self.real_B) * self.opt.lambda_L1
            self.loss_G_L1.backward()
            self.optimizer_G.step()

    models.find_model_using_name = lambda _: L1Only


def run(script: Path, options: dict[str, Any], *flags: str) -> None:
    """Run one of the released scripts with its options."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    sys.argv = [script.name, *words, *flags]
    runpy.run_path(str(script), run_name="__main__")


def main() -> None:
    asked = arguments()
    torch.set_num_threads(1)
    sys.path.insert(0, str(asked.released))
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(asked.seed)
    if asked.arm == "l1":
        without_discriminator()
    common = {
        "dataroot": asked.data, "name": f"{asked.arm}-s{asked.seed}", "model": "pix2pix", "direction": "BtoA",
        "netG": f"unet_{asked.size}", "ngf": asked.filters, "ndf": asked.filters, "gpu_ids": -1,
        "num_threads": 0, "checkpoints_dir": asked.to / "checkpoints", "crop_size": asked.size,
    }  # fmt: skip
    training = {
        "load_size": round(asked.size * 286 / 256),
        "n_epochs": asked.epochs,
        "n_epochs_decay": 0,
        "lr_policy": "step",
        "lr_decay_iters": 10**9,
        "display_id": -1,
        "display_freq": 10**9,
        "save_epoch_freq": asked.epochs,
        "save_latest_freq": 10**9,
        "print_freq": 1000,
    }
    run(asked.released / "train.py", {**common, **training}, "--no_html")
    torch.manual_seed(asked.seed)
    testing = {
        "load_size": asked.size,
        "phase": "val",
        "num_test": 10**6,
        "results_dir": asked.to / "results",
    }
    run(asked.released / "test.py", {**common, **testing})


if __name__ == "__main__":
    main()

"""The training step of the released PyTorch code, from a checkout of it that the user names.

Nothing of it is part of this project: https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix. It is timed in
a process of its own, since it has cuDNN try its algorithms in all that the process does.

    python tests/gpu/released.py CHECKOUT SIZE_PX FILTERS DEVICE STEPS      # JSON: seconds of each step
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from baselines.engine import resolve_device
from bench.launch.cost.step_worker import _step_seconds, _warm_up


def released_step(checkout: Path, size_px: int, filters: int, device: torch.device) -> Callable[[], object]:
    """`optimize_parameters` of its pix2pix model with its own options, on one pair of noise."""
    sys.path.insert(0, str(checkout))
    options = Namespace(
        isTrain=True, phase="train", device=device, name="speed", checkpoints_dir="unused",
        gpu_ids=[device.index or 0] if device.type == "cuda" else [],
        preprocess="resize_and_crop", direction="AtoB", input_nc=3, output_nc=3, ngf=filters, ndf=filters,
        netG=f"unet_{size_px}", netD="basic", n_layers_D=3, norm="batch", no_dropout=False,
        init_type="normal", init_gain=0.02, pool_size=0, gan_mode="vanilla", lr=2e-4, beta1=0.5,
        lambda_L1=100.0,
    )  # fmt: skip
    model = import_module("models.pix2pix_model").Pix2PixModel(options)
    for network in (model.netG, model.netD):
        network.to(device).train()  # newer versions do it later
    a, b = (torch.rand(1, 3, size_px, size_px, device=device) * 2 - 1 for _ in range(2))
    model.set_input({"A": a, "B": b, "A_paths": [], "B_paths": []})
    step: Callable[[], object] = model.optimize_parameters
    return step


def main(checkout: str, size_px: str, filters: str, device_name: str, steps: str) -> None:
    """Warm up and take the steps, as `bench.launch.cost.step_worker` does with ours."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # its model prints what it is
    device = resolve_device(device_name)
    trainer: Any = SimpleNamespace(step=released_step(Path(checkout), int(size_px), int(filters), device))
    torch.backends.cudnn.benchmark = True  # as its constructor sets it
    on_gpu = device.type == "cuda"
    _warm_up(trainer, 10 if on_gpu else 1, 0.5 if on_gpu else 0.0, device)
    print(json.dumps(_step_seconds(trainer, int(steps), device)), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Golden folders: what upstream code computed from known random weights.

They hold the first samples of a batch, and every third row and column of large features, which
meets both phases of an upsampling by two. Images are whole.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint

FOLDER = Path(__file__).parent / "goldens"
CPU = torch.device("cpu")

FILES = {
    "proggan-genforce/checkpoint.pth": ("ProGAN", "genforce"),
    "proggan-genforce-cond/state_dict.safetensors": ("ProGAN", "safetensors"),
    "proggan-tf/network.pkl": ("ProGAN", "nvidia-tensorflow"),
    "stylegan1-genforce/checkpoint.pth": ("StyleGAN", "genforce"),
    "stylegan1-tf/network.pkl": ("StyleGAN", "nvidia-tensorflow"),
    "stylegan2-ada/network.pkl": ("StyleGAN2", "nvidia-pytorch"),
    "stylegan2-ada-cond/network.pkl": ("StyleGAN2", "nvidia-pytorch"),
    "stylegan2-genforce/checkpoint.pth": ("StyleGAN2", "genforce"),
    "stylegan2-rosinality/checkpoint.pt": ("StyleGAN2", "rosinality"),
    "stylegan2-sg3repo/network.pkl": ("StyleGAN2", "nvidia-pytorch"),
    "stylegan2-tf/network.pkl": ("StyleGAN2", "nvidia-tensorflow"),
    "stylegan3-t/network.pkl": ("StyleGAN3", "nvidia-pytorch"),
    "stylegan3-r/network.pkl": ("StyleGAN3", "nvidia-pytorch"),
    "shapes/stylegan2-ada-gray/network.safetensors": ("StyleGAN2", "safetensors"),
    "shapes/stylegan2-ada-rgba/network.safetensors": ("StyleGAN2", "safetensors"),
    "shapes/stylegan2-rect-3x5/network.safetensors": ("StyleGAN2", "safetensors"),
    "biggan-deep-hf/hf": ("BigGAN", "huggingface"),
    "biggan-ajbrock/state_dict.safetensors": ("BigGAN", "safetensors"),
    "biggan-deep-ajbrock/state_dict.safetensors": ("BigGAN", "safetensors"),
    "dcgan-omniart/state_dict.safetensors": ("DCGAN", "safetensors"),
}
"""One small file of each container and architecture, and what they are."""


@cache
def io(name):
    return load_file(FOLDER / name / "io.safetensors")


@cache
def stored(name):
    """The tensors of a folder's file under the names of upstream's state dict."""
    files = ("network.pkl", "checkpoint.pth", "checkpoint.pt", "hf")
    files += ("state_dict.safetensors", "network.safetensors")
    file = next(file for file in files if (FOLDER / name / file).exists())
    return upstream_names(read_checkpoint(FOLDER / name / file))


def upstream_names(checkpoint):
    """What a reader gives, with the scopes that TensorFlow has and without rosinality's mean."""
    tensors = dict(checkpoint.tensors)
    if checkpoint.container == "rosinality":
        assert tensors.pop("latent_avg").shape == (32,)
    if checkpoint.container == "nvidia-tensorflow":
        tensors = {re.sub("^(mapping|synthesis)/", r"G_\1/", n): t for n, t in tensors.items()}
    return tensors


def checkpoint(name):
    """The tensors under their upstream names; the arguments, where upstream's files hold them."""
    tensors = dict(stored(name))
    if "latent_avg" in io(name):  # rosinality keeps it beside the state dict
        tensors["latent_avg"] = io(name)["latent_avg"]
    config = json.loads((FOLDER / name / "config.json").read_text())
    nvidia = "NVlabs" in config["upstream"]
    return Checkpoint("test", tensors, config.get("kwargs", {}) if nvidia else {})


def names(pattern):
    return sorted(path.name for path in FOLDER.glob(pattern) if (path / "io.safetensors").is_file())


def edited(state, golden, prefix):
    """The state with alpha * a p^T added to its features, as in the golden."""
    p, a, alpha = (golden[f"{prefix}.{key}"] for key in ("p", "a", "alpha"))
    return state.with_features(state.x + alpha * a[:, None, None] * p)


def kept(given: Tensor, golden: Tensor) -> Tensor:
    """What a golden of that shape keeps of features or images ``[N, C, H, W]``."""
    if golden.ndim != 4:
        return given
    step = 1 if given.shape[-1] == golden.shape[-1] else 3
    return given[: len(golden), :, ::step, ::step]


def near(given, expected, tolerance):
    given = kept(given, expected)
    torch.testing.assert_close(given, expected, atol=tolerance, rtol=0)

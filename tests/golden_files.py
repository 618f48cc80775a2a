"""Golden folders: what upstream code computed from known random weights."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file

from panda.checkpoints.checkpoint import Checkpoint

FOLDER = Path(__file__).parent / "goldens"
CPU = torch.device("cpu")
FILES = {
    "proggan-genforce/checkpoint.pth": ("ProGAN", "genforce"),
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
    "biggan-deep-hf/hf": ("BigGAN", "huggingface"),
    "biggan-ajbrock/state_dict.safetensors": ("BigGAN", "safetensors"),
}
"""One small file of each container and architecture, and what they are."""


@cache
def io(name):
    return load_file(FOLDER / name / "io.safetensors")


def checkpoint(name):
    """The tensors under their upstream names; the arguments, where upstream's files hold them."""
    tensors = load_file(FOLDER / name / "state_dict.safetensors")
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


def near(given, expected, tolerance):
    torch.testing.assert_close(given, expected, atol=tolerance, rtol=0)

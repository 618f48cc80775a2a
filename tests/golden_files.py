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

"""Whatever is done to an official file's tensors, loading it ends in one sentence."""

from __future__ import annotations

import importlib

import pytest
import torch
from backend_checks import CPU, checkpoint

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError

FILES = {
    "proggan-genforce": "proggan",
    "proggan-genforce-cond": "proggan",
    "proggan-tf": "proggan",
    "stylegan3-t": "stylegan3",
    "stylegan3-r": "stylegan3",
    "biggan-deep-hf": "biggan",
    "biggan-ajbrock": "biggan",
    "biggan-deep-ajbrock": "biggan",
}
DAMAGE = {
    "missing": lambda tensor: None,
    "misshapen": lambda tensor: torch.cat([tensor.flatten(), torch.ones(3)]),
    "transposed": lambda tensor: tensor[..., None].transpose(0, -1),
    "empty": lambda tensor: torch.zeros(0),
    "NaN": lambda tensor: torch.full_like(tensor, torch.nan),
    "integers": lambda tensor: tensor.long(),
}


@pytest.mark.parametrize("folder", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_any_damaged_tensor_is_one_sentence(folder, damage):
    plugin = importlib.import_module(f"panda_plugins.{FILES[folder]}.checkpoint")
    whole = checkpoint(folder).tensors
    for name in list(whole)[:: 1 + len(whole) // 16]:
        tensors = {**whole, name: DAMAGE[damage](whole[name])}
        if tensors[name] is None:
            del tensors[name]
        with pytest.raises(PandaError, match=r"^[^\n]+$"):
            plugin.from_checkpoint(Checkpoint("x", tensors), CPU, torch.float32)


@pytest.mark.parametrize("plugin", sorted(set(FILES.values())))
def test_anothers_file_is_neither_recognized_nor_loaded(plugin):
    backend = importlib.import_module(f"panda_plugins.{plugin}.checkpoint")
    for folder, owner in FILES.items():
        assert backend.recognizes(checkpoint(folder)) == (owner == plugin)
        if owner != plugin:
            with pytest.raises(PandaError):
                backend.from_checkpoint(checkpoint(folder), CPU, torch.float32)
    with pytest.raises(PandaError):
        backend.from_checkpoint(Checkpoint("x", {}), CPU, torch.float32)

"""The VAE's decoder, whose blocks are all modulated by z."""

from __future__ import annotations

import pytest
import torch
from backend_checks import CPU, conform

from panda import PandaError
from panda.checkpoints.checkpoint import Checkpoint
from panda_plugins.vae.backend import VAE
from panda_plugins.vae.checkpoint import from_checkpoint, recognizes
from panda_plugins.vae.network import Network


def source() -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint("safetensors", Network(6, 8, (16, 8), (1, 2)).state_dict(), {})


def load() -> VAE:
    assert recognizes(source())
    return from_checkpoint(source(), CPU, torch.float32)


def test_it_keeps_the_contract():
    conform(lambda device, dtype: from_checkpoint(source(), device, dtype))


def test_layers_are_named_by_resolution_and_z_acts_in_each():
    generator = load()
    assert list(generator.layers) == ["decode.4", "decode.8"]
    assert generator.size == (8, 8)
    a, b = (generator.head(generator.sample([seed]), "decode.8") for seed in (0, 1))
    mixed = generator.head(generator.sample([0]), "decode.4")
    mixed = type(mixed)(mixed.x, b.rest)
    other = generator.advance(mixed, "decode.4", "decode.8").x
    assert float((other - a.x).abs().max()) > 1e-3
    assert generator.z_weight().shape == (16 * 4 * 4 + 8, 6)


def test_misshapen_files_are_refused_in_a_sentence():
    tensors = source().tensors
    left = {name: x for name, x in tensors.items() if "blocks.0.conv0" not in name}
    with pytest.raises(PandaError):
        from_checkpoint(Checkpoint("safetensors", left, {}), CPU, torch.float32)
    odd = {**tensors, "stages.stages.0.blocks.0.conv0.weight": torch.zeros(12, 12, 3, 3)}
    with pytest.raises(PandaError, match="no VAE has such tensors"):
        from_checkpoint(Checkpoint("safetensors", odd, {}), CPU, torch.float32)

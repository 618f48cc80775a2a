"""TinyModule: tiny_decoder:Decoder, stopped and resumed by its submodules."""

import torch
from panda import TorchModule

from tiny_decoder import Decoder as make

LAYERS = [
    "first",
    "up",
]


def load(device, dtype):
    """FILL IN: load the weights with ``network.load_state_dict`` (here: those of its making)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make()
    place = {"device": device, "dtype": dtype}
    return TorchModule(network, LAYERS, latent=(12, 1, 1), **place)

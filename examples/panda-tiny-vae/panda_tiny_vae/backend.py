"""TinyVae: the decoder of a VAE, stopped and resumed by its submodules."""

import torch
from torch import nn

from panda import TorchModule

LATENT, CHANNELS, SIDES = (4, 8, 8), 32, (16, 32, 64)


class Decoder(nn.Module):
    """FILL IN: your decoder, from latents ``[N, *LATENT]`` to images in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(LATENT[0], CHANNELS, 3, padding=1)
        self.blocks = nn.ModuleDict({str(side): block() for side in SIDES})
        self.colors = nn.Sequential(nn.Conv2d(CHANNELS, 3, 3, padding=1), nn.Tanh())

    def forward(self, z):
        """Decode latents."""
        x = self.first(z)
        for block in self.blocks.values():
            x = block(x)
        return self.colors(x)


def block():
    """Return a block that doubles height and width."""
    conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
    return nn.Sequential(nn.Upsample(scale_factor=2), conv, nn.SiLU())


def load(device, dtype):
    """FILL IN: load the weights with ``decoder.load_state_dict`` (here: random ones)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = Decoder()
    layers = [f"blocks.{side}" for side in SIDES]
    return TorchModule(decoder, layers, latent=LATENT, device=device, dtype=dtype)

"""A module that is called plainly, of which panda-tiny-module was made."""

from torch import nn


class Decoder(nn.Module):
    """Decodes latents ``[N, 12, 1, 1]`` to images of 32 x 32 in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.ConvTranspose2d(12, 16, 4), nn.ReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(16, 16, 4, 2, 1), nn.ReLU())
        self.last = nn.Sequential(nn.ConvTranspose2d(16, 3, 8, 4, 2), nn.Tanh())

    def forward(self, z):
        """Decode."""
        return self.last(self.up(self.first(z)))

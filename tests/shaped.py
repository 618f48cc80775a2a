"""Small generators with random weights whose images have any shape: square or not, gray or RGBA."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from panda import Card, Latents, Layer, PandaError, State, hookimpl
from panda.generators.latent_spaces import ZSpace
from panda.generators.seeds import seeded_normal

SIZES = {"strip": (24, 40), "tower": (48, 16), "square": (32, 32)}
KINDS = {"gray": 1, "rgb": 3, "rgba": 4}
WIDTH, DIM = 10, 8


class Shaped(ZSpace):
    """Four layers, each twice as high and wide as the one before."""

    usual_truncation = 1.0

    def __init__(self, size, channels, device, dtype):
        self.size, self.channels, self.device = size, channels, device
        self.name = "shaped"
        rows, columns = (side // 8 for side in size)
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.dense = nn.Linear(DIM, WIDTH * rows * columns)
            self.convs = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(3))
            self.last = nn.Conv2d(WIDTH, channels, 1)
            for network in (self.dense, self.convs, self.last):
                network.requires_grad_(False).to(device, dtype)
            weight = self.last.weight
            weight.sub_(weight.mean(1, keepdim=True)).mul_(12)
            self.last.bias.zero_()
        self.layers = {
            f"{rows << k}": Layer(f"{rows << k}", WIDTH, rows << k, columns << k) for k in range(4)
        }

    def z_weight(self):
        return self.dense.weight

    def sample(self, seeds, *, truncation, label):
        if label is not None:
            raise PandaError(f"{self.name} has no classes, but label {label} was given")
        z = torch.from_numpy(seeded_normal(seeds, DIM)).to(self.dense.weight)
        return Latents(tuple(seeds), {"z": truncation * z})

    def head(self, latents, layer):
        first = next(iter(self.layers.values()))
        x = self.dense(latents.tensors["z"]).view(-1, WIDTH, first.height, first.width)
        return self.run(x, 0, self.index(layer))

    def advance(self, state, layer, to_layer):
        return self.run(state.x, self.index(layer), self.index(to_layer))

    def tail(self, state, layer):
        return self.last(self.run(state.x, self.index(layer), 3).x).tanh()

    def forward(self, latents):
        first = next(iter(self.layers))
        return self.tail(self.head(latents, first), first)

    def run(self, x, start, stop):
        for conv in self.convs[start:stop]:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)), 0.2)
        return State(x)

    def index(self, layer):
        return list(self.layers).index(self.layer(layer).name)


def card(size, channels):
    def load(device, dtype):
        return Shaped(size, channels, device, dtype)

    facts = {"license": "MIT", "origin": "random weights", "load": load}
    return Card("Shaped", "none", size, **facts, channels=channels)


class Plugin:
    """Generators such as ``strip-gray``."""

    @hookimpl
    def panda_generators(self):
        return {
            f"{shape}-{kind}": card(size, channels)
            for shape, size in SIZES.items()
            for kind, channels in KINDS.items()
        }

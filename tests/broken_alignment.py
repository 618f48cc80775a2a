"""Generators whose features do not lie where they show in the image."""

from __future__ import annotations

import torch
from conftest import AdvancingGenerator
from torch.nn import functional as F

from panda import Layer, State


class Fine(AdvancingGenerator):
    """One whose layers have 8, 16 and 32 positions a side: enough for edges to be found."""

    side = 8

    def __init__(self, *place):
        super().__init__(*place)
        self.size = (4 * self.side,) * 2
        self.layers = {
            name: Layer(name, 12, side, side)
            for name, side in zip("abc", (self.side, 2 * self.side, 4 * self.side), strict=True)
        }

    def head(self, latents, layer):
        x = F.leaky_relu(self.dense(latents.tensors["z"])).view(-1, 12, 4, 4)
        x = F.interpolate(x, (self.side, self.side), mode="bilinear")
        return self.run(State(x, x.new_zeros(len(x), 3, *x.shape[2:])), 0, self.index(layer))


class Displaced(Fine):
    """One that hands out its features in another order, and takes them back from it."""

    def order(self, grid):
        raise NotImplementedError

    def head(self, latents, layer):
        return self.ordered(super().head(latents, layer))

    def advance(self, state, layer, to_layer):
        return self.ordered(super().advance(self.back(state), layer, to_layer))

    def tail(self, state, layer):
        return super().tail(self.back(state), layer)

    def ordered(self, state):
        return state.with_features(self.permuted(state.x, self.places(state.x)))

    def back(self, state):
        return state.with_features(self.permuted(state.x, self.places(state.x).argsort()))

    def places(self, x):
        return self.order(torch.arange(x[0, 0].numel()).view(x.shape[2:])).flatten()

    def permuted(self, x, places):
        return x.flatten(2)[:, :, places].view_as(x)


class UpsideDown(Displaced):
    def order(self, grid):
        return grid.flip(0)


class LeftForRight(Displaced):
    def order(self, grid):
        return grid.flip(1)


class Transposed(Displaced):
    def order(self, grid):
        return grid.T


class Shuffled(Displaced):
    def order(self, grid):
        shuffled = torch.randperm(grid.numel(), generator=torch.Generator().manual_seed(2))
        return grid.flatten()[shuffled]


class Shifted(Displaced):
    def order(self, grid):
        return grid.roll((len(grid) // 4,) * 2, (0, 1))


class InWindows(Displaced):
    """Window by window, as window attention leaves its tokens."""

    def order(self, grid):
        count = len(grid) // 4
        return grid.view(count, 4, count, 4).transpose(1, 2)


class UpsideDownAtTheEnd(UpsideDown):
    def order(self, grid):
        return grid.flip(0) if len(grid) == 32 else grid


class Letterbox(Fine):
    border = (4, 4)

    def tail(self, state, layer):
        upper, lower = self.border
        size = self.size[0] - upper - lower, self.size[1]
        image = F.interpolate(super().tail(state, layer), size, mode="bilinear")
        return F.pad(image, (0, 0, upper, lower), value=-1)


class PaddedBelow(Letterbox):
    border = (0, 8)


class MarginNotDeclared(Fine):
    """Features lie outside the image too, as those of StyleGAN3 do."""

    def tail(self, state, layer):
        image = super().tail(state, layer)
        return F.interpolate(image[:, :, 4:-4, 4:-4], image.shape[2:], mode="bilinear")


ALIGNMENT = {
    UpsideDown: ("aligned", "at layer 'a': of noise in the upper or lower half of the features, "),
    LeftForRight: ("aligned", "columns run the other way: flip them in head, and back in tail"),
    Transposed: ("aligned", "do not transpose, shift or shuffle positions"),
    Shuffled: ("aligned", "or excuse the layer if its positions have no place (also at b, c)"),
    Shifted: ("aligned", "let position (y, x) show at the same place of the image"),
    InWindows: ("aligned", "or leave them in windows"),
    UpsideDownAtTheEnd: ("aligned", "at layer 'c': of noise in the upper or lower half"),
    Letterbox: ("aligned", "show in a part of the image's height alone; let the image have no"),
    PaddedBelow: ("aligned", "show in a part of the image's height alone"),
    MarginNotDeclared: ("aligned", "lie outside the image; declare them as Layer(..., margin="),
}
"""The check that each fails, and a part of its sentence."""

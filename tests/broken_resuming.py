"""Generators with one defect each in head or tail."""

from __future__ import annotations

import torch
from conftest import TinyGenerator
from torch import nn
from torch.nn import functional as F

from panda import Latents, State
from panda.generators.contract import Layer


class MoreChannelsDeclared(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.layers["b"] = Layer("b", 16, 8, 8)


class LeftOnTheCpu(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        self.device = torch.device("cpu")
        latents = super().sample(seeds, truncation=truncation, label=label)
        self.device = torch.device("cuda")
        return latents


class HalfPrecision(TinyGenerator):
    def head(self, latents, layer):
        x = super().head(latents, layer).x
        return State(x.half() if layer == "c" and self.dtype == torch.float32 else x)

    def tail(self, state, layer):
        return super().tail(State(state.x.to(self.dtype)), layer)


class SkipDropped(TinyGenerator):
    def forward(self, latents):
        return super().forward(latents) + 0.1 * self.head(latents, "a").x.mean((1, 2, 3), True)


class OtherOrderOfAdditions(TinyGenerator):
    def forward(self, latents):
        return super().forward(latents) * (1 + 2**-23)


class DeadLayer(TinyGenerator):
    def head(self, latents, layer):
        return State(super().head(latents, layer).x, latents)

    def tail(self, state, layer):
        x = super().head(state.rest, "b").x if layer == "b" else state.x
        return super().tail(State(x), layer)


class TailWritesIntoFeatures(TinyGenerator):
    def tail(self, state, layer):
        image = super().tail(State(state.x.clone()), layer)
        F.relu_(state.x)
        return image


class OneBufferForAll(TinyGenerator):
    def head(self, latents, layer):
        x = super().head(latents, layer).x
        buffers = self.__dict__.setdefault("buffers", {})
        buffer = buffers.setdefault(layer, x.new_empty(4, *x.shape[1:]))[: len(x)]
        return State(buffer.copy_(x))


class LatentsRoundedInPlace(TinyGenerator):
    def head(self, latents, layer):
        latents.tensors["z"].round_(decimals=2)
        return super().head(latents, layer)


class RestUsedUp(TinyGenerator):
    def head(self, latents, layer):
        return State(super().head(latents, layer).x, [0.1])

    def tail(self, state, layer):
        return super().tail(state, layer) + (state.rest.pop() if state.rest else 0)


class BatchStatistics(TinyGenerator):
    def head(self, latents, layer):
        z = latents.tensors["z"]
        return super().head(Latents(latents.seeds, {"z": z - z.mean(0) / 2}), layer)


class StillLearning(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.convs.requires_grad_(True)


class WithoutGradients(TinyGenerator):
    @torch.no_grad()
    def tail(self, state, layer):
        return super().tail(state, layer)


class RestStoredOnSelf(TinyGenerator):
    def head(self, latents, layer):
        self.stored = latents.tensors["z"][:, :1, None, None]
        return super().head(latents, layer)

    def tail(self, state, layer):
        return super().tail(state, layer) + 0.1 * self.stored

    def forward(self, latents):
        return self.tail(self.head(latents, "c"), "c")


class RestStoredByTheLastLayer(RestStoredOnSelf):
    def head(self, latents, layer):
        if layer == "c" or not hasattr(self, "stored"):
            self.stored = latents.tensors["z"][:, :1, None, None]
        return TinyGenerator.head(self, latents, layer)


class PartOfTheFeatures(TinyGenerator):
    part = (slice(None),)

    def head(self, latents, layer):
        x = super().head(latents, layer).x
        return State(x, x)

    def tail(self, state, layer):
        x = state.rest.clone()
        x[self.part] = state.x[self.part]
        return super().tail(State(x), layer)


class FirstChannel(PartOfTheFeatures):
    part = (slice(None), 0)


class FirstPixel(PartOfTheFeatures):
    part = (..., 0, 0)


class FirstSample(PartOfTheFeatures):
    part = (0,)


class LearningInAList(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.convs = list(self.convs.requires_grad_(True))

    forward = torch.no_grad()(TinyGenerator.forward)


class GlobalSeed(TinyGenerator):
    def head(self, latents, layer):
        torch.manual_seed(0)
        return super().head(latents, layer)


class CountsWhatPasses(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.norm = nn.InstanceNorm2d(12, track_running_stats=True).to(self.device, self.dtype)

    def tail(self, state, layer):
        self.norm(state.x)
        return super().tail(state, layer)


RESUMING = {
    MoreChannelsDeclared: (
        "features",
        "at layer 'b': head of tiny gives features [2, 12, 8, 8] at b, expected [2, 1",
    ),
    LeftOnTheCpu: ("features", "on cpu, expected torch.float32 on cuda"),
    HalfPrecision: ("features", "head gives torch.float16 on cpu, expected torch.float32"),
    SkipDropped: ("resume", "carry all but the features in State.rest (also at b, c)"),
    OtherOrderOfAdditions: ("resume", "that is rounding"),
    DeadLayer: ("sensitivity", "at layer 'b': other features give the same image"),
    TailWritesIntoFeatures: ("in_place", "tail writes into state.x; work on a copy"),
    OneBufferForAll: ("in_place", "a later head writes into features returned before"),
    LatentsRoundedInPlace: ("in_place", "the latents are written to"),
    RestUsedUp: ("in_place", "tail writes into state.rest"),
    BatchStatistics: ("batch", "something mixes samples"),
    StillLearning: ("frozen", "call requires_grad_(False)"),
    WithoutGradients: ("gradient", "at layer 'a': none arrive"),
    RestStoredOnSelf: ("in_place", "at layer 'a': after another head, tail gives another image"),
    RestStoredByTheLastLayer: (
        "in_place",
        "at layer 'a': tail of tiny gives images [2, 3, 16, 16]",
    ),
    FirstChannel: ("sensitivity", "(changed: last channels, lower right, second sample)"),
    FirstPixel: ("sensitivity", "let tail start from all of state.x"),
    FirstSample: ("sensitivity", "second sample"),
    LearningInAList: ("frozen", "call requires_grad_(False)"),
    CountsWhatPasses: ("in_place", "call eval() when loading"),
    GlobalSeed: ("in_place", "is seeded or drawn from; create a generator in sample"),
}
"""The check that each fails, and a part of its sentence."""

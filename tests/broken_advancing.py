"""Generators with one defect each in the step from layer to layer."""

from __future__ import annotations

import torch
from conftest import AdvancingGenerator
from torch.nn import functional as F

from panda import State


class AdvancesFromTheLatents(AdvancingGenerator):
    def head(self, latents, layer):
        state = super().head(latents, layer)
        return State(state.x, (state.rest, latents))

    def advance(self, state, layer, to_layer):
        return self.head(state.rest[1], to_layer)

    def tail(self, state, layer):
        return super().tail(State(state.x, state.rest[0]), layer)


class EditLostFromTheRunningImage(AdvancesFromTheLatents):
    def advance(self, state, layer, to_layer):
        x = (
            super(AdvancesFromTheLatents, self)
            .advance(State(state.x, state.rest[0]), layer, to_layer)
            .x
        )
        return self.head(state.rest[1], to_layer).with_features(x)


class FeaturesKeptInRest(AdvancingGenerator):
    def head(self, latents, layer):
        return self.kept(super().head(latents, layer))

    def advance(self, state, layer, to_layer):
        return self.kept(super().advance(State(*state.rest), layer, to_layer))

    def tail(self, state, layer):
        return super().tail(State(state.x, state.rest[1]), layer)

    def kept(self, state):
        return State(state.x, (state.x, state.rest))


class LastChannelKeptInRest(FeaturesKeptInRest):
    def advance(self, state, layer, to_layer):
        x, image = state.rest
        x = torch.cat([state.x[:, :-1], x[:, -1:]], 1)
        return self.kept(AdvancingGenerator.advance(self, State(x, image), layer, to_layer))


class RunningImageDropped(AdvancingGenerator):
    def advance(self, state, layer, to_layer):
        end = super().advance(state, layer, to_layer)
        return State(end.x, torch.zeros_like(end.rest))


class OneLayerTooFew(AdvancingGenerator):
    def advance(self, state, layer, to_layer):
        return self.run(state, self.index(layer), self.index(to_layer) - 1)


class OneLayerAtMost(AdvancingGenerator):
    def advance(self, state, layer, to_layer):
        return self.run(state, self.index(layer), self.index(layer) + 1)


class OtherOrderInAdvance(AdvancingGenerator):
    def advance(self, state, layer, to_layer):
        end = super().advance(state, layer, to_layer)
        return end.with_features(end.x * (1 + 2**-23))


class AdvanceWritesIntoFeatures(AdvancingGenerator):
    def advance(self, state, layer, to_layer):
        end = super().advance(state, layer, to_layer)
        F.relu_(state.x)
        return end


class RestWrittenTo(AdvancingGenerator):
    def advance(self, state, layer, to_layer):
        end = super().advance(state, layer, to_layer)
        state.rest.add_(0.1)
        return end


class LayersBackwards(AdvancingGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.order = list(self.layers)
        self.layers = dict(reversed(self.layers.items()))

    def index(self, layer):
        return self.order.index(self.layer(layer).name)

    def forward(self, latents):
        return self.tail(self.head(latents, "a"), "a")


ADVANCING = {
    LayersBackwards: ("advance", "advance of tiny gives features [1, 12, 16, 16] at b"),
    AdvancesFromTheLatents: ("advance", "after an edit at 'a' and advancing layer by layer"),
    EditLostFromTheRunningImage: ("advance", "carry all but the features in State.rest"),
    FeaturesKeptInRest: ("advance", "start from all of state.x"),
    LastChannelKeptInRest: ("advance", "start from all of state.x"),
    RunningImageDropped: ("advance", "carry all but the features in State.rest"),
    OneLayerTooFew: ("advance", "at layer 'b': advance of tiny gives features [1, 12, 4, 4] at b,"),
    OneLayerAtMost: ("advance", "advance of tiny gives features [1, 12, 8, 8] at c, expected [1,"),
    OtherOrderInAdvance: ("advance", "let both take the same steps (also at c)"),
    AdvanceWritesIntoFeatures: ("advance", "advance writes into state.x; work on a copy"),
    RestWrittenTo: ("advance", "and never write to it"),
}
"""The check that each fails, and a part of its sentence."""

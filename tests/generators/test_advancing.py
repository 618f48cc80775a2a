"""From layer to layer: edits at several layers are one pass, where a generator can do it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from conftest import AdvancingGenerator, TinyGenerator
from torch import nn

from panda import PandaError, create_generator
from panda.generators.latent_spaces import ZSpace
from panda.generators.one_class import OneClass
from panda.generators.registry import list_generators
from panda.generators.shared import share


class Classes(AdvancingGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, truncation=truncation)


class WithASpace(Classes, ZSpace):
    def z_weight(self):
        return self.dense.weight


def test_a_backend_without_the_step_says_so_in_a_sentence(tiny):
    state = tiny.head(tiny.sample([1]), "a")
    sentence = "tiny takes edits at one layer only, since it cannot advance from a to c"
    for generator in (tiny, share(tiny)):
        assert not generator.can_advance
        with pytest.raises(PandaError, match=sentence):
            generator.advance(state, "a", "c")


@pytest.mark.parametrize("make", [TinyGenerator, AdvancingGenerator])
def test_a_step_leads_to_the_same_layer_or_to_a_later_one(make):
    generator = make()
    state = generator.head(generator.sample([1]), "b")
    assert generator.advance(state, "b", "b") is state
    with pytest.raises(PandaError, match="tiny advances from a layer to a later one, but a comes"):
        generator.advance(state, "b", "a")
    for layers in (("b", "cc"), ("cc", "b")):
        with pytest.raises(PandaError, match="generator 'tiny' has no layer 'cc'"):
            generator.advance(state, *layers)


def test_wrapped_generators_advance_as_what_they_wrap():
    whole = Classes()
    whole.name = "whole"
    state = whole.head(whole.sample([1, 2]), "a")
    expected = whole.advance(state, "a", "c")
    for generator in (share(whole), share(WithASpace()), OneClass(share(whole), 1)):
        assert generator.can_advance
        reached = generator.advance(state, "a", "c")
        assert torch.equal(reached.x, expected.x) and torch.equal(reached.rest, expected.rest)


@pytest.mark.parametrize("name", list_generators("mini-*"))
def test_a_stop_at_every_layer_runs_no_module_twice(name):
    generator = create_generator(name)
    # A layer of all steps of a sampler is behind all others, which then run again.
    layers = [layer for layer in generator.layers if not layer.endswith("@*")]
    latents = generator.sample([3])
    calls: Counter[nn.Module] = Counter()
    for module in generator.network.modules():
        module.register_forward_hook(lambda module, *_: calls.update([module]))
    state, before = generator.head(latents, layers[0]), layers[0]
    for layer in layers[1:]:
        state, before = generator.advance(state, before, layer), layer
    image = generator.tail(state, before)
    stopped = Counter(calls)
    calls.clear()
    assert torch.equal(image, generator.forward(latents))
    whole = {module: calls[module] for module in stopped}
    assert stopped and stopped == whole

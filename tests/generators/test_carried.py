"""Samples that carry changes of features, on every generator that can advance."""

import pytest
import torch

from panda import PandaError, create_generator
from panda.directions.changes import MixChange
from panda.generators.carried import carrying, changes_of, without_changes
from panda.generators.one_class import OneClass

MINIS = ("proggan", "stylegan2", "stylegan3", "biggan", "vae", "diffusion")


@pytest.fixture(scope="module", params=MINIS)
def generator(request):
    return create_generator(f"mini-{request.param}-faces-64")


def change_at(generator, latents, layer, seed=0):
    """Noise of the size of the features."""
    x = generator.head(latents, layer).x
    random = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape, generator=random) * x.std()


def chosen(generator):
    """Four layers; of those of a diffusion model, two of its steps and two of its decoder."""
    names = list(generator.layers)
    if "mid@2" in names:
        return ["mid@2", "up@5", "decode.16", "decode.64"]
    return [names[k * (len(names) - 1) // 3] for k in range(4)]


def test_a_change_is_added_at_its_layer_wherever_a_pass_stops(generator):
    layers = chosen(generator)
    latents = generator.sample([0, 1])
    at = layers[1]
    carried = carrying(latents, at, change_at(generator, latents, at))
    state = generator.head(latents, at)
    expected = generator.tail(state.with_features(state.x + changes_of(carried.tensors)[at]), at)
    assert float((expected - generator.forward(latents)).abs().max()) > 0.05
    assert torch.equal(generator.forward(carried), expected)
    for layer in layers:
        stopped = generator.head(carried, layer)
        assert torch.equal(generator.tail(stopped, layer), expected)
        late = generator.advance(stopped, layer, layers[-1])
        assert torch.equal(generator.tail(late, layers[-1]), expected)
    before = generator.head(carried, layers[0])
    assert torch.equal(before.x, generator.head(latents, layers[0]).x)


def test_changes_at_two_layers_are_both_added(generator):
    layers = chosen(generator)
    latents = generator.sample([0, 1])
    first, second = layers[0], layers[2]
    a, b = (
        change_at(generator, latents, layer, seed) for seed, layer in enumerate((first, second))
    )
    carried = carrying(carrying(latents, second, b), first, a)
    state = generator.head(latents, first)
    state = generator.advance(state.with_features(state.x + a), first, second)
    expected = generator.tail(state.with_features(state.x + b), second)
    assert torch.equal(generator.forward(carried), expected)
    assert torch.equal(generator.tail(generator.head(carried, layers[1]), layers[1]), expected)


def test_choosing_joining_and_holding_to_a_class_keep_what_is_carried():
    generator = create_generator("mini-biggan-faces-64")
    one = OneClass(generator, 3)
    latents = one.sample([0, 1, 2])
    layer = list(generator.layers)[2]
    carried = carrying(latents, layer, change_at(generator, latents, layer))
    whole = one.forward(carried)
    again = carried.cat([carried[2:], carried[:2]])
    assert torch.allclose(one.forward(again), whole[[2, 0, 1]], atol=1e-5)
    assert torch.equal(generator.forward(carried), whole)
    assert torch.equal(generator.forward(without_changes(carried)), one.forward(latents))


def test_a_change_of_another_generator_is_refused(tiny):
    latents = tiny.sample([0])
    with pytest.raises(PandaError, match="a change of features at 8.none, which tiny has not"):
        tiny.forward(carrying(latents, "8.none", torch.zeros(1, 1, 1, 1)))


def test_without_advance_a_change_is_added_where_a_pass_stops_and_refused_behind_it(tiny):
    latents = tiny.sample([0, 1])
    carried = carrying(latents, "b", change_at(tiny, latents, "b"))
    state = tiny.head(latents, "b")
    edited = state.with_features(state.x + changes_of(carried.tensors)["b"])
    assert torch.equal(tiny.forward(carried), tiny.tail(edited, "b"))
    for layer in ("a", "c"):
        with pytest.raises(PandaError, match="tiny takes edits at one layer only"):
            tiny.tail(tiny.head(carried, layer), layer)


@pytest.mark.parametrize("seeds", [[5], [5, 6]])
def test_the_way_to_a_sample_brings_what_it_carries(seeds):
    generator = create_generator("mini-stylegan2-faces-64")
    latents, other = generator.sample([0, 1]), generator.sample(seeds)
    layer = list(generator.layers)[3]
    there = carrying(other, layer, change_at(generator, other, layer))
    here = carrying(latents, layer, change_at(generator, latents, layer, 1))
    arrived = MixChange(there).moved(generator, here, torch.tensor([0.0, 1.0]))
    images = generator.forward(arrived)
    assert torch.allclose(images[0], generator.forward(here)[0], atol=1e-5)
    whole = MixChange(there[-1:]).moved(generator, latents[1:], torch.tensor([1.0]))
    assert torch.allclose(images[1], generator.forward(whole)[0], atol=1e-5)
    some = MixChange(there[:1], 2, 4).moved(generator, here, torch.tensor([1.0, 1.0]))
    kept = changes_of(some.tensors)[layer]
    assert torch.equal(kept, changes_of(here.tensors)[layer])

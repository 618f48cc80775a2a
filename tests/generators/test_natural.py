"""Callers give seeds, truncations and labels in any form; every backend gets plain values."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from conftest import TinyGenerator
from golden_files import FOLDER

from panda import Generator, Latents, PandaError, create_generator
from panda.errors import PandaWarning
from panda.generators.contract import Layer
from panda.generators.latent_spaces import WSpace
from panda.generators.natural import natural_sample
from panda.generators.one_class import OneClass
from panda.generators.shared import share


class Recorder(TinyGenerator):
    """A backend as its author would write it, for plain values; it has classes 0 to 2."""

    usual_truncation = 0.7

    def sample(self, seeds, *, truncation=1.0, label=None):
        """Draw, and remember what was given."""
        self.calls = [*getattr(self, "calls", []), (seeds, truncation, label)]
        if label not in (None, 0, 1, 2):
            raise PandaError(f"{self.name} has labels 0 to 2, but {label} was given")
        drawn = super().sample(seeds, truncation=truncation)
        labels = torch.tensor([seed % 3 if label is None else label for seed in seeds])
        return Latents(drawn.seeds, {**drawn.tensors, "label": labels})


@pytest.fixture
def recorder():
    return Recorder()


@pytest.mark.parametrize(
    "seeds", [3, "0-2", range(3), [0, 1, 2], np.arange(3), torch.arange(3), iter([0, 1, 2])]
)
def test_a_backend_gets_its_seeds_as_plain_numbers(recorder, seeds):
    assert recorder.sample(seeds).seeds == (0, 1, 2)
    ((given, _, _),) = recorder.calls
    assert list(given) == [0, 1, 2]
    assert all(type(seed) is int for seed in given)


@pytest.mark.parametrize(
    ("truncation", "expected"),
    [(None, 0.7), (1, 1.0), (0.5, 0.5), (np.float64(0.5), 0.5), (torch.tensor(0.5), 0.5)],
)
def test_a_backend_gets_its_truncation_as_a_float_and_the_usual_one_by_default(
    recorder, truncation, expected
):
    recorder.sample([0], truncation=truncation)
    ((_, given, _),) = recorder.calls
    assert given == expected
    assert type(given) is float


def test_a_generator_may_change_its_usual_truncation(recorder):
    recorder.usual_truncation = 0.25
    assert torch.equal(
        recorder.sample([3]).tensors["z"], recorder.sample([3], truncation=0.25).tensors["z"]
    )


@pytest.mark.parametrize("label", [2, np.int64(2), torch.tensor(2), np.array(2)])
def test_a_backend_gets_one_label_as_a_plain_number(recorder, label):
    recorder.sample(2, label=label)
    ((_, _, given),) = recorder.calls
    assert given == 2
    assert type(given) is int


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0, 2, 1],
        (2, 0, 2, 1),
        np.array([2, 0, 2, 1]),
        torch.tensor([2, 0, 2, 1]),
        iter((2, 0, 2, 1)),
    ],
)
def test_each_sample_has_its_label_and_the_order_is_that_of_the_seeds(recorder, labels):
    mixed = recorder.sample([9, 8, 7, 6], truncation=0.5, label=labels)
    assert [call[2] for call in recorder.calls] == [2, 0, 1]
    assert mixed.seeds == (9, 8, 7, 6)
    assert mixed.tensors["label"].tolist() == [2, 0, 2, 1]
    for row, (seed, label) in enumerate([(9, 2), (8, 0), (7, 2), (6, 1)]):
        alone = recorder.sample([seed], truncation=0.5, label=label)
        assert torch.equal(mixed[row].tensors["z"], alone.tensors["z"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"truncation": "a"}, "truncation 'a' is not a number, such as 0.7"),
        ({"truncation": True}, "truncation True is not a number"),
        ({"truncation": -3}, "truncation -3 is out of range; expected -2 to 2, where 1 leaves"),
        ({"truncation": 2.01}, "truncation 2.01 is out of range"),
        ({"truncation": float("nan")}, "truncation nan is not a number"),
        ({"truncation": [0.5, 0.7]}, r"truncation \[0.5, 0.7\] is not a number"),
        ({"truncation": torch.ones(2)}, "truncation tensor.* is not a number"),
        ({"label": "blue"}, "the class 'blue' is no number, and the classes of tiny have no names"),
        ({"label": 1.0}, "label 1.0 is not a whole number"),
        ({"label": True}, "label True is not a whole number"),
        ({"label": [0, 1.5]}, r"label \[0, 1.5\] is not a whole number"),
        ({"label": [True, False]}, "is not a whole number"),
        ({"label": torch.ones(2)}, "is not a whole number"),
        ({"label": [0, 1, 2]}, "3 labels were given for 2 seeds; give one label for all, or one"),
        ({"label": []}, "0 labels were given for 2 seeds"),
        ({"label": [0, 3]}, "has labels 0 to 2, but 3 was given"),
        ({"seeds": 1.5}, "seeds 1.5: expected whole numbers"),
        ({"seeds": []}, "no seeds were given"),
        ({"seeds": [-1]}, "seed -1 is not a whole number"),
    ],
)
def test_what_cannot_be_sampled_is_one_sentence(recorder, options, sentence):
    with pytest.raises(PandaError, match=sentence):
        recorder.sample(**{"seeds": 2, **options})


def test_super_calls_and_wrappers_change_nothing(recorder):
    class Third(Recorder):
        def sample(self, seeds, *, truncation=1.0, label=None):
            """See `Recorder`."""
            return super().sample(seeds, truncation=truncation, label=label)

    expected = recorder.sample([4, 5], truncation=0.7, label=1).tensors["z"]
    for generator in (Third(), share(Third()), OneClass(share(Third()), 1), OneClass(Third(), 1)):
        drawn = generator.sample([4, 5], label=[1, 1])
        assert torch.equal(drawn.tensors["z"], expected)
    with pytest.raises(PandaError, match="tiny@1 is restricted to its label, but '2' was given"):
        OneClass(Third(), 1).sample(2, label=[1, 2])


def test_a_sample_is_wrapped_once_and_keeps_its_name_and_docstring(recorder):
    class Inherits(Recorder):
        pass

    class Abstract(WSpace):
        pass

    assert Inherits.sample is Recorder.sample
    assert natural_sample(Recorder.sample) is Recorder.sample
    assert Abstract.sample is Generator.sample
    assert recorder.sample.__doc__ == "Draw, and remember what was given."
    assert recorder.sample.__name__ == "sample"
    parameters = inspect.signature(recorder.sample).parameters
    assert list(parameters) == ["seeds", "truncation", "label"]
    assert parameters["truncation"].default is None


def test_a_sample_that_comes_from_a_mixin_is_wrapped_too():
    class Mixin:
        def sample(self, seeds, *, truncation=1.0, label=None):
            return Latents(tuple(seeds), {"psi": torch.full((len(seeds),), truncation)})

    class Mixed(Mixin, TinyGenerator):
        usual_truncation = 0.5

    assert Mixed().sample(2).tensors["psi"].tolist() == [0.5, 0.5]


def test_options_of_a_backend_are_passed_on():
    class Noisy(TinyGenerator):
        def sample(self, seeds, *, truncation=1.0, label=None, noise=0.0):
            drawn = super().sample(seeds, truncation=truncation, label=label)
            return Latents(drawn.seeds, {"z": drawn.tensors["z"] + noise})

    gap = Noisy().sample(2, noise=1.0).tensors["z"] - Noisy().sample(2).tensors["z"]
    torch.testing.assert_close(gap, torch.ones(2, 8))


@pytest.mark.parametrize("file", ["stylegan2-ada-cond/network.pkl"])
def test_a_conditional_network_gives_each_sample_its_class(file):
    generator = create_generator(FOLDER / file)
    mixed = generator.sample("5-8", label=[1, 0, 2, 1])
    for row, (seed, label) in enumerate(zip(range(5, 9), [1, 0, 2, 1], strict=True)):
        alone = generator.sample([seed], label=label)
        assert mixed[row].seeds == (seed,)
        # A product of one row and of several may add in another order.
        torch.testing.assert_close(mixed[row].tensors["w"], alone.tensors["w"])


def test_calling_a_generator_is_its_forward_pass(tiny):
    latents = tiny.sample(2)
    assert torch.equal(tiny(latents), tiny.forward(latents))
    with pytest.raises(PandaError, match="a list was given, expected latents, such as generator.s"):
        tiny([0, 1])


def test_latents_of_another_generator_are_refused(tiny):
    latents = tiny.sample(2)
    assert latents.generator == "tiny"
    other = TinyGenerator()
    other.name = "other"
    sentence = "these latents are of tiny, but the generator is other"
    for given in (latents, latents[1], Latents.cat(list(latents)), latents.to("cpu")):
        for call in (other, other.forward, partial(other.head, layer="a")):
            with pytest.raises(PandaError, match=sentence):
                call(given)
    for generator in (share(other), share(share(other))):
        with pytest.raises(PandaError, match=sentence):
            generator(latents)
    unknown = replace(latents, generator="")
    assert torch.equal(other(unknown), tiny(latents))
    with pytest.raises(PandaError, match="latents of other and tiny cannot be joined"):
        Latents.cat([latents, other.sample([3])])
    assert Latents.cat([unknown, latents]).generator == "tiny"


def test_wrappers_and_new_names_take_their_latents(recorder):
    recorder.name = "renamed"
    whole = recorder.sample([4, 5], label=1)
    assert whole.generator == "renamed"
    for generator in (share(recorder), OneClass(recorder, 1), OneClass(share(recorder), 1)):
        image = generator(generator.sample([4, 5]))
        assert torch.equal(image, generator(whole))
        state = generator.head(generator.sample([4, 5]), "b")
        assert torch.equal(generator.tail(state, "b"), image)


def test_latents_of_generators_with_the_same_tensors_are_distinguished():
    stylegan2, stylegan3, biggan = (
        create_generator(f"mini-{name}-faces-64") for name in ("stylegan2", "stylegan3", "biggan")
    )
    for generator, latents in (
        (stylegan3, stylegan2.sample(1)),
        (stylegan2, biggan.sample(1)),
        (biggan, stylegan3.sample(1)),
    ):
        with pytest.raises(PandaError, match=f"are of {latents.generator}, but the generator is"):
            generator(latents)


SIDES = {"input": (36, 10), "a": (36, 10), "b": (52, 10), "c": (52, 10), "d": (84, 10)}


class Margins(TinyGenerator):
    """Layers as StyleGAN3 has them: a margin all around, and several of one size."""

    def __init__(self):
        super().__init__()
        self.layers = {
            name: Layer(name, 8, height, height, margin) for name, (height, margin) in SIDES.items()
        }


def test_the_side_of_a_layer_leaves_its_margins_out():
    layers = Margins().layers
    assert [layer.side for layer in layers.values()] == [16, 16, 32, 32, 64]
    assert layers["d"].positions == 84 * 84
    assert Layer("x", 1, 8, 4).side == 8


@pytest.mark.parametrize(
    ("side", "name"),
    [
        (16, "a"),  # of those of one size the last
        (32, "c"),
        (1, "a"),
        (1000, "d"),
        (22, "a"),  # nearest by ratio: 22 / 16 < 32 / 22
        (23, "c"),
        (45, "c"),
        (46, "d"),
        (np.int64(64), "d"),
        (torch.tensor(64.0), "d"),
    ],
)
def test_the_layer_near_a_side_is_the_last_of_those_nearest_by_ratio(side, name):
    assert Margins().layer_near(side).name == name


def test_of_two_layers_equally_near_the_later_one_is_taken(tiny):
    assert tiny.layer_near(64**0.5).name == "b"
    tiny.layers.pop("b")
    assert tiny.layer_near(8).name == "c"  # 4 and 16 are both a factor of two away


@pytest.mark.parametrize("side", [0, -4, "8", None, float("nan"), float("inf")])
def test_a_side_that_is_none_is_refused(tiny, side):
    with pytest.raises(PandaError, match=f"side {side!r} is not a "):
        tiny.layer_near(side)


@pytest.mark.parametrize(
    ("psi", "where"), [(-0.5, "on the other side of their mean"), (1.5, "farther from their mean")]
)
def test_a_truncation_that_few_mean_is_said(recorder, psi, where):
    sentence = f"truncation {psi} is not from 0 to 1: samples lie {where}"
    with pytest.warns(PandaWarning, match=sentence):
        recorder.sample([3], truncation=psi)
    assert recorder.calls[-1][1] == psi


@pytest.mark.parametrize("psi", [0, 0.0, 0.7, 1])
def test_usual_truncations_are_taken_without_a_word(recorder, psi):
    recorder.sample([3], truncation=psi)  # warnings are errors here

"""A generator moves to another device with all that it keeps, and gives the same images there."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, SimpleNamespace

import pytest
import torch
from conftest import TinyGenerator
from glass import Panes
from golden_files import FILES, FOLDER
from test_torch_module import chain, conditional, web
from torch import Tensor, nn

from panda import PandaError, create_generator
from panda.generators.latent_spaces import WSpace
from panda.generators.one_class import OneClass
from panda.generators.registry import cards
from panda.generators.shared import share

NAMES = [name for name in cards() if name.startswith("mini-")] + [str(FOLDER / f) for f in FILES]


@pytest.fixture(autouse=True)
def panes():
    with Panes():
        yield


def images(generator):
    """The latents, images and middle features of two samples, on the CPU."""
    latents = generator.sample([3, 1])
    layers = list(generator.layers)
    layer = layers[len(layers) // 2]
    state = generator.head(latents, layer)
    made = [*latents.tensors.values(), state.x, generator.tail(state, layer), generator(latents)]
    if isinstance(generator, WSpace):
        made += [generator.w_mean, *(t for pair in generator.style_maps().values() for t in pair)]
    assert {tensor.device.type for tensor in made} <= {generator.device.type, "cpu"}
    assert made[-1].device.type == generator.device.type
    return [tensor.cpu() for tensor in made]


def check_move(generator):
    before = images(generator)  # and whatever is computed once lies on the CPU
    assert generator.to("glass") is generator
    assert generator.device.type == "glass"
    there = images(generator)
    assert generator.to(torch.device("cpu")).device.type == "cpu"
    back = images(generator)
    for expected, moved, returned in zip(before, there, back, strict=True):
        assert torch.equal(moved, expected)
        assert torch.equal(returned, expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_backend_gives_the_same_images_there_and_back(name):
    check_move(create_generator(name))


@pytest.mark.parametrize("make", [TinyGenerator, chain, web, conditional])
def test_modules_do_too(make):
    check_move(make())


def test_wrappers_move_what_they_wrap():
    check_move(share(create_generator(NAMES[0])))
    check_move(OneClass(conditional(), 1))
    inner = TinyGenerator()
    share(inner).to("glass")
    assert inner.device.type == "glass"


Pair = namedtuple("Pair", "a b")


@dataclass(frozen=True)
class Record:
    """What a dataclass may keep: a field, a cached property, a device."""

    tensor: Tensor
    place: torch.device

    @cached_property
    def double(self):
        return 2 * self.tensor


class Keeper(nn.Module):
    """A module that keeps tensors beside its parameters and buffers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.kernel = self.linear.weight.detach().flip(1)
        self.inner = [nn.Linear(1, 1)]


class Everywhere(TinyGenerator):
    """Keeps tensors in every place that `to` looks at."""

    def __init__(self):
        super().__init__()
        self.mean = torch.ones(2)
        self.shared = [self.mean, 1, "text"]
        self.nested = {
            "a": (self.mean, Pair(torch.ones(1), None)),
            "b": MappingProxyType({"c": self.mean}),
        }
        self.ordered = OrderedDict(z=torch.zeros(1), a=None)
        self.record = Record(torch.ones(3), self.device)
        _ = self.record.double
        self.keeper = Keeper()
        self.prior = torch.distributions.Normal(torch.zeros(1), torch.ones(1))
        self.space = SimpleNamespace(mean=self.mean)
        self.plain = [Layered("x")]
        self.circle = [self.mean]
        self.circle.append(self.circle)
        self.me = {"self": self}


@dataclass
class Layered:
    name: str


def test_tensors_move_wherever_attributes_keep_them():
    generator = Everywhere()
    kept, parameter = generator.plain, generator.keeper.linear.weight
    record = generator.record
    generator.to("glass")
    moved = [
        generator.mean,
        generator.shared[0],
        generator.nested["a"][0],
        generator.nested["a"][1].a,
        generator.nested["b"]["c"],
        generator.ordered["z"],
        generator.record.tensor,
        generator.record.double,
        generator.keeper.linear.weight,
        generator.keeper.kernel,
        generator.keeper.inner[0].weight,
        generator.circle[0],
        generator.prior.loc,
        generator.space.mean,
    ]
    assert {tensor.device.type for tensor in moved} == {"glass"}
    assert generator.shared[0] is generator.mean  # what was shared stays shared
    assert generator.shared[1:] == [1, "text"]
    assert isinstance(generator.nested["a"][1], Pair)
    assert list(generator.ordered) == ["z", "a"]
    assert generator.record.place.type == "glass"
    assert generator.plain is kept  # nothing moves there
    assert record.tensor.device.type == "cpu"  # another may keep the same record
    assert generator.keeper.linear.weight.requires_grad == parameter.requires_grad
    assert generator.me["self"] is generator


def test_what_asks_for_gradients_still_does_and_is_a_leaf():
    generator = TinyGenerator()
    generator.direction = torch.zeros(2, requires_grad=True)
    generator.scales = [nn.Parameter(torch.zeros(2))]
    generator.to("glass")
    assert generator.direction.requires_grad and generator.direction.is_leaf
    assert isinstance(generator.scales[0], nn.Parameter)


def test_options_that_were_set_stay_when_a_generator_moves():
    generator = create_generator(FOLDER / "stylegan2-ada/network.pkl")
    generator.noise, generator.excused = "random", {"batch": "a reason"}
    generator.to("glass")
    assert generator.noise == "random"
    assert generator.excused == {"batch": "a reason"}


def test_latents_move_as_tensors_do():
    latents = TinyGenerator().sample(2)
    there = latents.to("glass")
    assert there.tensors["z"].device.type == "glass"
    assert latents.tensors["z"].device.type == "cpu"
    assert there.seeds == latents.seeds


@pytest.mark.parametrize("device", ["warp", "meta", "hpu", torch.float64, 1.5])
def test_a_device_that_cannot_be_used_changes_nothing(device):
    generator = TinyGenerator()
    with pytest.raises(PandaError, match=f"device '{device}' cannot be used here"):
        generator.to(device)
    assert generator.device.type == "cpu"
    assert generator(generator.sample(1)).device.type == "cpu"

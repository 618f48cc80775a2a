"""Plugins that work, plugins with one defect each, and a fixture that installs them."""

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import torch

from panda import PandaError, hookimpl
from panda.generators import registry
from panda.generators.card import Card
from panda.generators.scores import Score


def card() -> Card:
    return Card("Toy", "none", 16, "MIT", "here", load=lambda device, dtype: None)


class Good:
    @hookimpl
    def panda_generators(self):
        return {"toy-a": card(), "toy-b": card()}


class Same:
    @hookimpl
    def panda_generators(self):
        return {"toy-b": card(), "toy-c": card()}


class Raises:
    @hookimpl
    def panda_generators(self):
        raise RuntimeError("no CUDA here")


class WrongType:
    @hookimpl
    def panda_generators(self):
        return ["toy"]


class WrongCard:
    @hookimpl
    def panda_generators(self):
        return {"toy": "not a card"}


class Misspelt:
    @hookimpl
    def panda_generator(self):
        return {}


class NoHook:
    pass


class WrongArguments:
    @hookimpl
    def panda_generators(self, names):
        return {}


class Yields:
    @hookimpl
    def panda_generators(self):
        yield {}


class WrongArchitecture:
    @hookimpl
    def panda_architectures(self):
        return {"Toy": "not an architecture"}


class AssertsCuda:
    @hookimpl
    def panda_generators(self):
        assert torch.cuda.device_count() > 99


class Exits:
    @hookimpl
    def panda_generators(self):
        sys.exit("it wants another Python")


class Scoring:
    @hookimpl
    def panda_scores(self):
        return {"area": Score("mean of the masks", lambda generator, factors, seeds: 1.0)}


class WrongScore:
    @hookimpl
    def panda_scores(self):
        return {"area": lambda generator, factors, seeds: 1.0}


class CrashesInLoad:
    @hookimpl
    def panda_generators(self):
        def crash(device, dtype):
            raise KeyError("weights")

        def imports(device, dtype):
            raise ImportError("No module named 'gone'")

        def exits(device, dtype):
            raise SystemExit("it wants a GPU")

        def refuses(device, dtype):
            raise PandaError("it wants a GPU")

        loads = {"toy-key": crash, "toy-import": imports, "toy-exit": exits, "toy-no": refuses}
        return {name: replace(card(), load=load) for name, load in loads.items()} | {
            "toy-none": card()
        }


class Point(EntryPoint):
    """An entry point that loads an object of this file."""

    def load(self):
        target = globals().get(self.value)
        if target is None:
            raise ImportError("No module named 'gone'")
        return target()


@pytest.fixture
def install(monkeypatch):
    def use(**points):
        entry_points = [Point(name, value, "panda") for name, value in points.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: entry_points)
        registry.plugins.cache_clear()

    yield use
    registry.plugins.cache_clear()

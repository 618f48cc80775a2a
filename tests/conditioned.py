"""Toy plugins with conditions: a generator of texts with options of loading, and named classes."""

from __future__ import annotations

import hashlib

import pytest
import torch
from conftest import TinyGenerator

from panda import Architecture, Card, Latents
from panda.checkpoints.digest import digest_of
from panda.generators import registry
from panda.generators.labels import ANY_TEXT
from panda.generators.options import Option

OPTIONS = {
    "steps": Option(4, "steps of the sampler", low=1, high=100),
    "guidance": Option(5.0, "how much the text counts", low=0, high=20),
    "scheduler": Option("ddim", "the sampler", choices=("ddim", "euler", "heun")),
    "gray": Option(False, "whether the image is drawn without colors"),
}

TEXTS, CLASSES = "toy-texts-16", "toy-classes-16"
COLORS = ("red", "light blue", "green, or teal")


class TextGenerator(TinyGenerator):
    """Takes any text: its latents are moved by it, as far as the guidance says."""

    labels = ANY_TEXT
    truncates = False

    def __init__(self, device, dtype, *, steps=4, guidance=5.0, scheduler="ddim", gray=False):
        super().__init__(device, dtype)
        self.given = {"steps": steps, "guidance": guidance, "scheduler": scheduler, "gray": gray}
        self.asked = []

    @property
    def digest(self):
        return digest_of(self.convs.state_dict())

    def sample(self, seeds, *, truncation=1.0, label=None):
        assert truncation == 1.0
        self.asked.append(label)
        z = super().sample(seeds).tensors["z"]
        z = self.given["steps"] / 4 * z + self.given["guidance"] / 5 * self.embed(label)
        return Latents(tuple(seeds), {"z": z})

    def embed(self, text):
        if not text:
            return torch.zeros(8)
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        drawn = torch.randn(8, generator=torch.Generator().manual_seed(seed))
        return drawn.to(self.device, self.dtype)


class NamedClasses(TinyGenerator):
    """Has three classes with names, which its author did not check."""

    labels = COLORS

    def sample(self, seeds, *, truncation=1.0, label=None):
        numbers = [seed % 3 if label is None else label for seed in seeds]
        drawn = super().sample(seeds, truncation=truncation)
        moved = truncation * torch.tensor(numbers).to(self.dense.weight)[:, None]
        return Latents(drawn.seeds, {"z": drawn.tensors["z"] + moved})


def card(load, **facts):
    layers = tuple(TinyGenerator().layers.values())
    return Card("Tiny", "none", 16, "MIT", "here", load=load, layers=layers, **facts)


@pytest.fixture
def conditioned(monkeypatch):
    """Put both generators into the registry, and an architecture of files with an option."""

    def build(checkpoint, device, dtype, *, gray):
        generator = TinyGenerator(device, dtype)
        generator.gray = gray
        return generator

    known = {
        TEXTS: card(TextGenerator, labels=ANY_TEXT, options=OPTIONS),
        CLASSES: card(NamedClasses, labels=COLORS),
    }
    kind = Architecture(
        lambda file: "toy" in file.tensors, build, options={"gray": OPTIONS["gray"]}
    )
    bring = registry.Plugin("toys", "tests", "1", known, {"Toy": kind})
    monkeypatch.setattr(registry, "plugins", lambda: (bring,))

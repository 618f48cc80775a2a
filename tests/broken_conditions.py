"""Generators with labels or options of loading that are wrong in one way each."""

from __future__ import annotations

import torch
from conditioned import NamedClasses, TextGenerator
from conftest import TinyGenerator

from panda import Latents, PandaError
from panda.generators.options import Option


class LabelsAreOneWord(TinyGenerator):
    labels = "blue"


class OneNameTooMany(NamedClasses):
    labels = ("a", "b", "c", "d")

    def sample(self, seeds, *, truncation=1.0, label=None):
        if label == 3:
            raise PandaError("it has classes 0 to 2")
        return super().sample(seeds, truncation=truncation, label=label)


class OneNameTwice(NamedClasses):
    labels = ("crane", "dog", "crane")


class NamesWithoutEffect(NamedClasses):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, truncation=truncation, label=0)


class MixesLabelsOfABatch(NamedClasses):
    def sample(self, seeds, *, truncation=1.0, label=None):
        drawn = super().sample(seeds, truncation=truncation, label=label)
        if label == 1 and len(seeds) == 1:
            return Latents(drawn.seeds, {"z": drawn.tensors["z"] + 1})
        return drawn


class RefusesTexts(TextGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        if label == "":
            raise PandaError("the text is empty")
        return super().sample(seeds, truncation=truncation, label=label)


class ForgetsTheText(TextGenerator):
    def embed(self, text):
        return torch.zeros(8)


CONDITIONS = {
    LabelsAreOneWord: ("labels", "labels 'blue' are neither 'any text' nor the names of classes"),
    OneNameTooMany: ("labels", "class 'd' cannot be sampled (it has classes 0 to 2)"),
    OneNameTwice: ("labels", "class 'crane' gives latents of labels (0, 0), expected 2; name each"),
    NamesWithoutEffect: ("labels", "labels 0 and 1 give the same images; pass the label on"),
    MixesLabelsOfABatch: ("labels", "with a label for each sample, images are not those of their"),
    RefusesTexts: ("labels", "labels are 'any text', but '' is refused (the text is empty)"),
    ForgetsTheText: ("labels", "labels 'a photo of a red house' and 'a drawing of a dog, in blue'"),
}
"""The check that each fails, and a part of its sentence."""


def refuses_others(device, dtype, *, steps):
    """Load with the default alone, whatever the card says."""
    if steps != 4:
        raise ValueError("steps must be 4")
    return TinyGenerator(device, dtype)


OPTIONS = {
    "steps": (Option(4, "steps", low=1), "with steps=5 it cannot be loaded: PandaError: generator"),
    "steps ": (Option(4, "steps", choices=(4,)), "option 'steps' takes 4 alone; leave it out"),
}
"""Options of a card with that `load`, and a part of the sentence."""

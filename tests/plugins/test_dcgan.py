"""DCGAN against the results of a published package's code, with labels beside z."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from backend_checks import CPU, FEATURES, IMAGES, checkpoint, conform, error, golden
from torch.nn import functional as F

from panda import Latents, PandaError, create_generator, fit
from panda.errors import PandaWarning
from panda.generators.registry import cards
from panda_plugins.dcgan import COLORS
from panda_plugins.dcgan.backend import DCGAN
from panda_plugins.dcgan.checkpoint import from_checkpoint, recognizes

EYES, CARD = "dcgan-omniart", "dcgan-omniart-eyes-128"


def load(**changes: Any) -> DCGAN:
    config = {"label_count": 3, "activation": "relu"}
    source = checkpoint(EYES, config, **changes)
    assert recognizes(source)
    return from_checkpoint(source, CPU, torch.float32)


def latents() -> Latents:
    io = golden(EYES)
    return Latents((0, 1), {"z": io["z"], "label": io["label"]})


def test_features_and_images_are_those_of_the_package():
    generator, io = load(), golden(EYES)
    assert error(generator.forward(latents()), io["image"]) <= IMAGES
    for layer in generator.layers:
        state = generator.head(latents(), layer)
        assert error(state.x, io[f"feat.{layer.removesuffix('.conv')}"]) <= FEATURES
        assert error(generator.tail(state, layer), io["image"]) <= IMAGES


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_rgba_images_are_made_of_the_last_layer_alone(channels):
    weight = torch.randn(4, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    generator = load(**{"main.16.weight": weight})
    state = generator.head(latents(), list(generator.layers)[-1])
    expected = F.conv_transpose2d(state.x, weight, stride=2, padding=1).tanh()
    assert generator.channels == channels
    assert error(generator.forward(latents()), expected) <= 1e-6


def test_it_keeps_the_contract():
    source = checkpoint(EYES, {"label_count": 3, "activation": "relu"})
    conform(lambda device, dtype: from_checkpoint(source, device, dtype))


def test_a_file_without_a_record_is_opened_with_a_warning():
    with pytest.warns(PandaWarning, match='label_count=0, activation="relu" is assumed'):
        generator = from_checkpoint(checkpoint(EYES), CPU, torch.float32)
    assert generator.sample([0]).tensors.keys() == {"z"}
    assert generator.sample([0]).tensors["z"].shape == (1, 15)


def test_a_class_may_be_given_by_its_name():
    generator = load()
    with pytest.raises(
        PandaError, match="'blue' is no number, and the classes of .* have no names"
    ):
        generator.sample([5], label="blue")
    generator.labels = ("amber", "blue", "brown")
    assert generator.sample([5], label=" Blue").tensors["label"].tolist() == [[0, 1, 0]]
    mixed = generator.sample([5, 6], label=["brown", 0]).tensors["label"]
    assert mixed.tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(PandaError, match="has no class 'bleu'; did you mean 'blue'"):
        generator.sample([5], label="bleu")
    assert fit(generator, "8.conv", parts=2, seeds=range(8), label="brown").label == 2
    assert cards()[CARD].labels == COLORS


def test_each_class_has_its_label_and_others_are_refused():
    generator = load()
    assert generator.sample([5], label=2).tensors["label"].tolist() == [[0, 0, 1]]
    with pytest.raises(PandaError, match="has classes 0 to 2, but 3 was given"):
        generator.sample([0], label=3)
    with pytest.raises(PandaError, match="label_count=15, but z and label are 15 numbers"):
        source = replace(checkpoint(EYES), options={"label_count": 15, "activation": "relu"})
        from_checkpoint(source, CPU, torch.float32)


def test_z_weights_are_what_z_is_multiplied_by():
    generator = load()
    z = generator.sample([0, 1], label=0)
    moved = replace(z, tensors={**z.tensors, "z": z.tensors["z"] + 1})
    first = generator.network.get_submodule("0")
    change = first(torch.cat([moved.tensors["z"], z.tensors["label"]], 1)[:, :, None, None])
    change = change - first(torch.cat([*z.tensors.values()], 1)[:, :, None, None])
    expected = generator.z_weight().sum(1).view(1, *change.shape[1:])
    torch.testing.assert_close(change, expected.expand_as(change), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"main.1.running_var": None}, "main|1.running_var"),
        ({"main.16.weight": torch.zeros(4, 2, 4, 4)}, "makes images of 2 channels, expected 1"),
    ],
)
def test_files_that_do_not_fit_are_one_sentence(changes, sentence):
    with pytest.raises(PandaError, match=sentence):
        load(**changes)


def test_networks_of_other_kernels_are_not_taken_for_it():
    assert not recognizes(checkpoint(EYES, **{"main.4.weight": torch.zeros(64, 32, 3, 3)}))
    assert not recognizes(checkpoint("proggan-genforce"))


def test_the_card_says_what_the_weights_have():
    card = cards()[CARD]
    if card.weights is None or not card.weights.cached:
        pytest.skip(f"run 'panda fetch {CARD}' once")
    generator = create_generator(CARD)
    assert tuple(generator.layers.values()) == card.layers
    assert generator.size == card.size == (128, 128)
    blue, red = (
        generator.forward(generator.sample(range(8), label=COLORS.index(color))).mean((0, 2, 3))
        for color in ("blue", "red")
    )
    assert blue[2] - blue[0] > red[2] - red[0] + 0.2

"""Cards of official files: names, addresses, and layers that equal those of the real networks."""

import json
import re

import pytest
import torch
from golden_files import CPU, FOLDER, checkpoint, near

from panda import list_generators
from panda.checkpoints.checkpoint import Checkpoint
from panda.generators.registry import cards, plugins
from panda.weights import Url
from panda_plugins.biggan import checkpoint as biggan
from panda_plugins.common.loading import NamedTensors as Spelled
from panda_plugins.proggan import checkpoint as proggan
from panda_plugins.proggan import layers as proggan_layers
from panda_plugins.stylegan import checkpoint as stylegan
from panda_plugins.stylegan import layers as stylegan_layers
from panda_plugins.stylegan2 import checkpoint as stylegan2
from panda_plugins.stylegan2 import layers as stylegan2_layers
from panda_plugins.stylegan3 import checkpoint as stylegan3
from panda_plugins.stylegan3.backend import layers_of

OFFICIAL = {
    name: card
    for name, card in cards().items()
    if card.weights is not None and isinstance(card.weights.source, Url)
}

FULL_SIZE = {
    "biggan-deep-imagenet-128": "biggan-deep-128",
    "biggan-deep-imagenet-256": "biggan-deep-256",
    "biggan-deep-imagenet-512": "biggan-deep-512",
    "progan-celebahq-1024": "pggan-genforce-1024",
    "stylegan-bedroom-256": "stylegan1-genforce-256",
    "stylegan-car-512": "stylegan1-genforce-512",
    "stylegan-ffhq-1024": "stylegan1-genforce-1024",
    "stylegan2-ada-afhqcat-512": "stylegan2-ada-512",
    "stylegan2-ada-celebahq-256": "stylegan2-ada-256-paper256",
    "stylegan2-ada-cifar10-32": "stylegan2-ada-cifar10-cond",
    "stylegan2-ada-metfaces-1024": "stylegan2-ada-1024",
    "stylegan2-car-512": "stylegan2-genforce-512",
    "stylegan2-church-256": "stylegan2-genforce-256",
    "stylegan2-ffhq-1024": "stylegan2-genforce-1024",
    "stylegan3-r-afhqv2-512": "stylegan3-r-512-cbase32768",
    "stylegan3-r-ffhq-1024": "stylegan3-r-1024-cbase32768",
    "stylegan3-r-ffhqu-256": "stylegan3-r-256-cbase16384",
    "stylegan3-t-afhqv2-512": "stylegan3-t-512-cbase32768",
    "stylegan3-t-ffhq-1024": "stylegan3-t-1024-cbase32768",
    "stylegan3-t-ffhqu-256": "stylegan3-t-256-cbase16384",
}


def real_layers(stem):
    """The layers of a network with the tensors of a full-size file, built without memory."""
    shapes = json.loads((FOLDER / "state_dicts" / f"{stem}.json").read_text())["tensors"]
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    checkpoint = Checkpoint("test", tensors)
    if stem.startswith("biggan"):
        return tuple(biggan.build(checkpoint).layers)
    if stem.startswith("pggan"):
        return proggan_layers(proggan.build(checkpoint, tensors).channels)
    if stem.startswith("stylegan3"):
        sizes = {"img_resolution": int(stem.split("-")[2])}
        return tuple(layers_of(stylegan3.build(Checkpoint("test", tensors, sizes))))
    module, layers = (
        (stylegan, stylegan_layers) if "stylegan1" in stem else (stylegan2, stylegan2_layers)
    )
    spelling = module.spelling_of(tensors)
    return layers(module.config_of(Spelled("test", spelling, tensors)).channels)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_a_card_knows_the_layers_of_the_real_network(name):
    assert OFFICIAL[name].layers == real_layers(FULL_SIZE[name])


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_card_is_complete(name):
    card = OFFICIAL[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert str(card.size[0]) in name.split("-")
    assert all((card.dataset, card.license, card.origin, card.layers))
    assert card.layers[-1].height in (card.size[0], card.size[0] + 20)
    architectures = {kind for plugin in plugins() for kind in plugin.architectures}
    assert card.architecture in architectures
    for address in card.weights.source.files.values():
        assert re.fullmatch(r"https://[a-z0-9.-]+/\S+", address)


def test_every_file_has_one_card():
    addresses = [url for card in OFFICIAL.values() for url in card.weights.source.files.values()]
    assert len(set(addresses)) == len(addresses)
    assert len(OFFICIAL) == len({card.weights.path for card in OFFICIAL.values()}) == 79


def test_names_follow_their_files():
    assert list_generators("biggan-*") == [f"biggan-deep-imagenet-{r}" for r in (128, 256, 512)]
    assert len(list_generators("stylegan3-*")) == 12
    source = OFFICIAL["stylegan2-ffhq-1024-config-e-gorig-dskip"].weights.source
    assert source.description.endswith("/table2/stylegan2-ffhq-config-e-Gorig-Dskip.pkl")


@pytest.mark.filterwarnings("ignore:.*does not say how")
def test_the_orig_networks_of_table_2_open_from_tensorflow_names():
    """ToRGB at the last resolution alone; the goldens of both names have the same weights."""
    images = []
    for folder, rgb in (("stylegan2-tf", "ToRGB/"), ("stylegan2-ada", "torgb.")):
        whole = checkpoint(folder)
        tensors = {
            name: tensor
            for name, tensor in whole.tensors.items()
            if rgb not in name or "32x32" in name or "b32" in name
        }
        generator = stylegan2.from_checkpoint(Checkpoint("test", tensors), CPU, torch.float64)
        assert generator.network.config.architecture == "orig"
        images.append(generator.forward(generator.sample([1])))
    near(*images, 1e-4)

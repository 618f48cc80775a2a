"""StyleGAN (Karras et al., arXiv 1812.04948; official code: NVlabs/stylegan).

Layers are named by height and the official code's name of the convolution: ``4.const``,
``4.conv1``, ``8.conv0`` (which upsamples), ``8.conv1``, ``16.conv0``, ... Features are those after
AdaIN. PandA's released code calls ``4.conv1``, ``8.conv1``, ``16.conv1``, ... l = 3, 4, 5, ...
"""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl

from ..common import pyramid

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


def layers(channels: Sequence[int], const: tuple[int, int] = (4, 4)) -> tuple[Layer, ...]:
    """List the layers of a network with these channels, from a constant of that size on."""
    return pyramid.layers(channels, first=("const", "conv1"), later=("conv0", "conv1"), size=const)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return the cards of the official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens TensorFlow's and genforce's files."""
    return {"StyleGAN": ARCHITECTURE}

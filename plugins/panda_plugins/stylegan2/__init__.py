"""StyleGAN2 (Karras et al., arXiv 1912.04958) and StyleGAN2-ADA (arXiv 2006.06676).

The official code is NVlabs/stylegan2 and NVlabs/stylegan2-ada-pytorch. Layers are named by height
and NVIDIA's name of the convolution: ``4.conv1``, ``8.conv0`` (which upsamples), ``8.conv1``,
``16.conv0``, ...; where the constant is 3 x 5, ``3.conv1``, ``6.conv0``, ... Features are those
after noise, bias and activation. PandA's released code counts the same layers as l = 1, 2, 3, ...
"""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl

from ..common import pyramid

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint", vendored=f"{__name__}.vendored")


def layers(channels: Sequence[int], const: tuple[int, int] = (4, 4)) -> tuple[Layer, ...]:
    """List the layers of a network with these channels, from a constant of that size on."""
    return pyramid.layers(channels, first=("conv1",), later=("conv0", "conv1"), size=const)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return the cards of the official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens NVIDIA's, genforce's and rosinality's files."""
    return {"StyleGAN2": ARCHITECTURE}

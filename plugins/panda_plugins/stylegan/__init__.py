"""StyleGAN (Karras et al., arXiv 1812.04948), the first.

Layers are named by resolution and TensorFlow's name of the convolution: ``4.const``, ``4.conv1``,
``8.conv0`` (the upsampling one), ``8.conv1``, ``16.conv0``, ... Features are those after AdaIN. The
released PandA's l = 3, 4, 5, ... are ``4.conv1``, ``8.conv1``, ``16.conv1``, ...
"""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


def layers(channels: Sequence[int]) -> tuple[Layer, ...]:
    """Every layer of a network with these channels at 4, 8, 16, ... pixels."""
    return tuple(
        Layer(f"{4 << k}.{conv}", count, 4 << k, 4 << k)
        for k, count in enumerate(channels)
        for conv in ("conv0" if k else "const", "conv1")
    )


@hookimpl
def panda_generators() -> dict[str, Card]:
    """The official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens StyleGAN files of every spelling."""
    return {"StyleGAN": ARCHITECTURE}

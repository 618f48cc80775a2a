"""StyleGAN2 (Karras et al., arXiv 1912.04958), with the options of StyleGAN2-ADA (2006.06676).

Layers are named by resolution and NVIDIA's name of the convolution: ``4.conv1``, ``8.conv0`` (right
after upsampling), ``8.conv1``, ``16.conv0``, ... Features are those after noise, bias and
activation. The released PandA counts the same layers as l = 1, 2, 3, ...
"""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint", vendored=f"{__name__}.vendored")


def layers(channels: Sequence[int]) -> tuple[Layer, ...]:
    """Every layer of a network with these channels at 4, 8, 16, ... pixels."""
    return tuple(
        Layer(f"{4 << k}.{conv}", count, 4 << k, 4 << k)
        for k, count in enumerate(channels)
        for conv in ("conv0", "conv1")
        if k or conv == "conv1"
    )


@hookimpl
def panda_generators() -> dict[str, Card]:
    """The official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens StyleGAN2 files of every spelling."""
    return {"StyleGAN2": ARCHITECTURE}

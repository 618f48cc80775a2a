"""BigGAN and BigGAN-deep (Brock et al., arXiv 1809.11096): class-conditional ImageNet."""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


def named(stages: Sequence[tuple[int, int, bool]], channels: int) -> list[Layer]:
    """Layers of stages (pixels, channels, whether it is attention), after the 4 x 4 input."""
    layers, blocks = [Layer("input", channels, 4, 4)], 0
    for pixels, width, is_attention in stages:
        if not is_attention:
            blocks = blocks + 1 if layers[-1].height == pixels and blocks else 1
        name = f"{pixels}.attention" if is_attention else f"{pixels}.block{blocks}"
        layers.append(Layer(name, width, pixels, pixels))
    return layers


@hookimpl
def panda_generators() -> dict[str, Card]:
    """The official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens BigGAN files of every spelling."""
    return {"BigGAN": ARCHITECTURE}

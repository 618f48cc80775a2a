"""BigGAN and BigGAN-deep (Brock et al., arXiv 1809.11096): class-conditional ImageNet.

The code bases are ajbrock/BigGAN-PyTorch and huggingface/pytorch-pretrained-BigGAN. Layers are
``input``, the linear map, then blocks and self-attention, named by resolution: ``4.block1``, ...
"""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


def named(stages: Sequence[tuple[int, int, bool]], channels: int) -> list[Layer]:
    """List the layers of a network.

    Args:
        stages: Height and width of the output, its channels, and whether the stage is
            self-attention.
        channels: Channels of the 4 x 4 features before the first stage.
    """
    layers, blocks = [Layer("input", channels, 4, 4)], 0
    for pixels, width, is_attention in stages:
        if not is_attention:
            blocks = blocks + 1 if layers[-1].height == pixels and blocks else 1
        name = f"{pixels}.attention" if is_attention else f"{pixels}.block{blocks}"
        layers.append(Layer(name, width, pixels, pixels))
    return layers


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return the cards of the official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens Hugging Face's and Andrew Brock's files."""
    return {"BigGAN": ARCHITECTURE}

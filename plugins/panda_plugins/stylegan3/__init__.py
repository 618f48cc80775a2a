"""StyleGAN3 (Karras et al., arXiv 2106.12423; official code: NVlabs/stylegan3), T and R.

Generators without aliasing: T is equivariant to translation, R to translation and rotation. Layers
have NVIDIA's names, such as ``L5_84_512`` (index, size, channels); the Fourier features before
them are ``input``.
"""

from __future__ import annotations

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.hookspecs import hookimpl

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return the cards of the official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens NVIDIA's files."""
    return {"StyleGAN3": ARCHITECTURE}

"""StyleGAN3 (Karras et al., arXiv 2106.12423), T and R: generators without aliasing."""

from __future__ import annotations

from panda.hookspecs import hookimpl
from panda.zoo import Architecture, Card

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


@hookimpl
def panda_generators() -> dict[str, Card]:
    """The official files."""
    from .official import cards

    return cards()


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens StyleGAN3 files of every spelling."""
    return {"StyleGAN3": ARCHITECTURE}

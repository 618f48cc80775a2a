"""StyleGAN3 (Karras et al., arXiv 2106.12423), T and R: generators without aliasing."""

from __future__ import annotations

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.hookspecs import hookimpl

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

"""StyleGAN3 (Karras et al., arXiv 2106.12423), T and R: generators without aliasing."""

from __future__ import annotations

from panda.hookspecs import hookimpl
from panda.zoo import Architecture


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens StyleGAN3 files of every spelling."""
    return {"StyleGAN3": Architecture.of_module(f"{__name__}.checkpoint")}

"""BigGAN and BigGAN-deep (Brock et al., arXiv 1809.11096): class-conditional ImageNet."""

from __future__ import annotations

from panda.hookspecs import hookimpl
from panda.zoo import Architecture


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens BigGAN files of every spelling."""
    return {"BigGAN": Architecture.of_module(f"{__name__}.checkpoint")}

"""Latent flow matching: a diffusion model over the latents of an autoencoder.

Rectified flow (Liu et al., arXiv 2209.03003) in latents (Rombach et al., arXiv 2112.10752), with a
UNet of two resolutions. Layers are places of the UNet in single steps or in all of them,
``mid@2``, ``up@*``, and those of the decoder: ``decode.16``, ``decode.32``, ...
"""

from __future__ import annotations

from panda.generators.architecture import Architecture
from panda.generators.hookspecs import hookimpl

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens what ``python -m training.flow`` writes."""
    return {"latent flow": ARCHITECTURE}

"""A variational autoencoder (Kingma and Welling, arXiv 1312.6114) of images, of one flat z.

z modulates every residual block of the decoder. Layers are named by resolution: ``decode.4``,
``decode.8``, ...
"""

from __future__ import annotations

from panda.generators.architecture import Architecture
from panda.generators.hookspecs import hookimpl

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens what ``python -m training.vae`` writes."""
    return {"VAE": ARCHITECTURE}

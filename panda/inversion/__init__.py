"""From photographs to latents: pictures that no seed makes are edited like those that one does."""

from panda.inversion.inversion import Inversion
from panda.inversion.search import invert

__all__ = ["Inversion", "invert"]

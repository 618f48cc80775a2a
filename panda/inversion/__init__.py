"""From photographs to latents, which are edited as those of seeds are."""

from panda.inversion.inversion import Inversion
from panda.inversion.search import invert

__all__ = ["Inversion", "invert"]

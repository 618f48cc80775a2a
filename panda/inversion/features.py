"""The features of a layer, searched around those that latents give."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.generators.carried import carrying
from panda.generators.contract import Generator, Latents
from panda.inversion.coordinates import FLAT

RATE = 0.1
"""The longest step of Adam, in standard deviations of each channel."""

PULL = 0.01
"""The weight of the mean square change beside the error, in those units."""


class SearchedFeatures:
    """A change of features ``[1, C, H, W]``, in standard deviations of each channel.

    Args:
        generator: The generator.
        latents: One sample, whose features are changed.
        layer: Where.
        deviation: Of the channels over samples, ``[1, C, 1, 1]``.
    """

    rate = RATE

    def __init__(
        self, generator: Generator, latents: Latents, layer: str, deviation: Tensor
    ) -> None:
        self._generator, self._latents, self._layer = generator, latents, layer
        with torch.no_grad():
            self._state = generator.head(latents, layer)
        self._unit = deviation.clamp_min(FLAT * float(deviation.max()))
        self.start = torch.zeros_like(self._state.x, dtype=torch.float32)

    def image(self, x: Tensor) -> Tensor:
        """See `panda.inversion.descent.Searched.image`."""
        moved = self._state.x + self._change(x)
        return self._generator.tail(self._state.with_features(moved), self._layer)

    def pull(self, x: Tensor) -> Tensor:
        """See `panda.inversion.descent.Searched.pull`."""
        return PULL * x.square().mean()

    def latents(self, x: Tensor) -> Latents:
        """Return the sample, which carries the change."""
        return carrying(self._latents, self._layer, self._change(x))

    def _change(self, x: Tensor) -> Tensor:
        return (x * self._unit).to(self._state.x.dtype)

"""Changes of latents of which only what is inside of a place stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, LatentChange, Render
from panda.editing.detectors import Detector, union
from panda.editing.places import kept
from panda.editing.remove import part_map
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents


@dataclass(frozen=True, eq=False)
class LocalChange(Change):
    """Keep inside of parts what a change of latents changes in the features of a layer.

    Attributes:
        change: The change of latents.
        factors: What the parts count.
        parts: Their numbers.
        layer: The layer whose features are mixed: that of the factors, or another one.
    """

    change: LatentChange
    factors: Factors
    parts: tuple[int, ...]
    layer: str

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        state = generator.head(latents, self.layer)
        where = part_map(self.factors, self.parts).to(state.x)
        inside = kept(where, self.factors.layer, generator.layer(self.layer))

        def render(strengths: Tensor) -> Tensor:
            moved = self.change.moved(generator, latents, strengths)
            difference = generator.head(moved, self.layer).x - state.x
            x = state.x + inside[:, None] * difference
            return generator.tail(state.with_features(x), self.layer)

        return render


@dataclass(frozen=True, eq=False)
class DetectedChange(Change):
    """Keep what a change of latents changes where a detector sees its place, before or after.

    Attributes:
        change: The change of latents.
        detector: Says where, at the layer whose features are mixed.
    """

    change: LatentChange
    detector: Detector

    @property
    def layer(self) -> str:
        """The layer whose features are mixed."""
        return self.detector.layer

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        state = generator.head(latents, self.layer)

        def render(strengths: Tensor) -> Tensor:
            moved = self.change.moved(generator, latents, strengths)
            x = generator.head(moved, self.layer).x
            inside = union(self.detector, state.x, x)[:, None]
            return generator.tail(state.with_features(torch.lerp(state.x, x, inside)), self.layer)

        return render

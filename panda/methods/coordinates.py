"""Gradients of what face parsing measures with respect to a part's own coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, Render
from panda.directions.gradient import Gradient, summed_gradients
from panda.directions.method import Method
from panda.editing.remove import part_map
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.factorization.usual import usual_place
from panda.generators.contract import Generator, Latents
from panda.metrics.regions import Regions


@dataclass(frozen=True, eq=False)
class CoordinateChange(Change):
    """Add a vector of features inside parts.

    Attributes:
        factors: What the parts count.
        parts: Their numbers.
        direction: What a strength of one adds where the mask is one, ``[C]``.
    """

    factors: Factors
    parts: tuple[int, ...]
    direction: Tensor

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        layer = self.factors.layer.name
        state = generator.head(latents, layer)
        where = part_map(self.factors, self.parts).to(state.x)[:, None]
        step = self.direction.to(state.x)[:, None, None] * where
        return lambda strengths: generator.tail(
            state.with_features(state.x + strengths.to(state.x)[:, None, None, None] * step), layer
        )


@dataclass(frozen=True)
class Coordinates(Method):
    """The direction in the span of A along which a measure grows fastest inside a part.

    What is added to the features of a part is ``mask * (A a)``. Of all a of one standard deviation
    over samples, each measure has the one by which its mean over some faces grows fastest, for each
    of the parts in which it grows most. Face parsing is what measures, so that these edits are
    supervised.

    Source: none; appearances and parts are those of PandA, and the measures those of `Gradient`.

    Attributes:
        layer: A layer and its number of parts, such as ``"32.conv2@16"``; by default the usual
            ones (`panda.factorization.usual`).
        images: See `Gradient`.
        measures: Likewise.
        parts: How many parts for each measure.
        samples: Samples of the fit.
    """

    name = "coordinates"
    source = "ICLR 2023"
    supervised = True
    layer: str = ""
    images: int = Gradient.images
    measures: str = Gradient.measures
    parts: int = 5
    samples: int = 300

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`; ``regions`` that are parsed lend their parser."""
        place, parts = usual_place(generator)
        if self.layer:
            layer, _, count = self.layer.rpartition("@")
            if not layer or not count.isdecimal():
                raise PandaError(f"layer={self.layer!r:.60}: expected such as 32.conv2@16")
            place = generator.layer(layer)
            parts = min(int(count), place.positions)
        names = [name.strip() for name in self.measures.split(",")]

        def start(generator: Generator, latents: Latents) -> tuple[Tensor, Tensor]:
            state = generator.head(latents, place.name)
            leaf = state.x.detach().clone().requires_grad_()
            # Times one, since a backend may write to its features, but not to a leaf.
            return leaf, generator.tail(state.with_features(leaf * 1), place.name)

        totals = summed_gradients(generator, regions, names, self.images, start)
        factors = fit(generator, place.name, parts=parts, seeds=self.samples)
        edits: dict[str, Change] = {}
        for name, gradient in totals.items():
            found = [_steepest(factors, part, gradient) for part in range(parts)]
            best = sorted(range(parts), key=lambda part: -found[part][1])[: self.parts]
            for part in best:
                direction, growth = found[part]
                if growth > 0:
                    label = f"{name} in {place.name} {part}"
                    edits[label] = CoordinateChange(factors, (part,), direction)
        if not edits:
            raise PandaError(
                f"nothing at {place.name} moves {', '.join(names)} in {self.images} samples of"
                f" {generator.name}; more 'images' may have what is measured"
            )
        return edits

    def aim(self, edit: str) -> str | None:
        """See `Method.aim`."""
        return edit.rpartition(" in ")[0]


def _steepest(factors: Factors, part: int, gradient: Tensor) -> tuple[Tensor, float]:
    """Return the direction ``[C]`` of one standard deviation, and how fast the measure grows.

    Args:
        factors: What the part counts.
        part: Its number.
        gradient: Of the measure with respect to the features, ``[C, H, W]`` float64.
    """
    where = part_map(factors, (part,)).to(gradient)
    inside = (gradient * where).sum((1, 2))
    A, spread = factors.appearances.to(gradient), factors.spread[:, part].to(gradient)
    whitened = spread * (A.T @ inside)
    growth = float(whitened.norm())
    if growth == 0:
        return torch.zeros_like(inside).float(), 0.0
    return (A @ (spread * whitened) / growth).float(), growth

"""Random directions: what choosing among edits gives without any method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate, normalize

from panda.directions.changes import Change, FeatureChange, WChange, ZChange
from panda.directions.method import Method
from panda.directions.sefa import GROUPS
from panda.generators.contract import Generator
from panda.generators.latent_spaces import WSpace, z_space
from panda.metrics.regions import Regions

IMAGES = 4
"""Images whose regions say where a region is in features, of the seeds from 0 on."""


@dataclass(frozen=True)
class Random(Method):
    """Gaussian directions of w, of norm one, in the same ranges of slots as SeFa; of z without w.

    With ``layer``, they are of its features: everywhere, and the same inside of each region alone.

    Source: none; a baseline for the others, which has no released code.

    Attributes:
        components: Directions for each range of slots.
        layer: Whose features are moved; by default none are.
    """

    name = "random"
    source = "none"
    components: int = 40
    layer: str = ""

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        draw = torch.Generator().manual_seed(0)
        if self.layer:
            return self._of_features(generator, regions, draw)
        if not isinstance(generator, WSpace):
            size = z_space(generator, "a random direction").z_weight().shape[1]
            rows = normalize(torch.randn(self.components, size, generator=draw))
            return {str(k): ZChange(row) for k, row in enumerate(rows)}
        edits: dict[str, Change] = {}
        for start, stop in GROUPS:
            shape = self.components, len(generator.w_mean)
            rows = normalize(torch.randn(shape, generator=draw))
            if slots := generator.slots[start:stop]:
                name = f"in {start}-{start + len(slots) - 1}"
                edits |= {f"{k} {name}": WChange(v, start, stop) for k, v in enumerate(rows)}
        return edits

    def _of_features(
        self, generator: Generator, regions: Regions, draw: torch.Generator
    ) -> dict[str, Change]:
        """Return directions of the features of the layer."""
        place = generator.layer(self.layer)
        shape = place.channels, place.height, place.width
        rows = torch.randn(self.components, *shape, generator=draw)
        latents = generator.sample(range(IMAGES), truncation=generator.usual_truncation)
        found = regions.find(generator.forward(latents), max(generator.size))
        where = {"": torch.ones(shape[1:])}
        for name, masks in found.items():
            often = masks.float().mean(0).cpu()[None, None]
            where[f"{name} "] = interpolate(often, shape[1:], mode="area")[0, 0]
        return {
            f"{name}{k}": FeatureChange(
                normalize((row * mask).flatten(), dim=0).view(shape), place.name
            )
            for name, mask in where.items()
            for k, row in enumerate(rows)
            if bool(mask.any())
        }

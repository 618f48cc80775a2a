"""Random directions: what choosing among edits gives without any method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from panda.directions.changes import Change, WChange, ZChange
from panda.directions.method import Method
from panda.directions.sefa import GROUPS
from panda.generators.contract import Generator
from panda.generators.latent_spaces import WSpace, z_space
from panda.metrics.regions import Regions


@dataclass(frozen=True)
class Random(Method):
    """Gaussian directions of w, of norm one, in the same ranges of slots as SeFa; of z without w.

    Source: none; a baseline for the others, which has no released code.

    Attributes:
        components: Directions for each range of slots.
    """

    name = "random"
    source = "none"
    components: int = 40

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        draw = torch.Generator().manual_seed(0)
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

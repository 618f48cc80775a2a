"""SeFa (Shen and Zhou, CVPR 2021): directions that the weights amplify most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, WChange, ZChange
from panda.directions.method import Method
from panda.factorization.linear_algebra import eigenvectors, fix_signs
from panda.generators.contract import Generator
from panda.generators.latent_spaces import WSpace, z_space
from panda.metrics.regions import Regions

GROUPS = ((0, None), (0, 2), (2, 6), (6, None))
"""Ranges of slots in the paper: all, coarse, middle, fine."""


@dataclass(frozen=True)
class SeFa(Method):
    """Eigenvectors of A^T A, where A is the weight that w meets first, in several ranges of slots.

    A has the rows of the affine maps from w to styles, each scaled to norm one; where there is no
    w, those of the first layer's map from z. Directions have norm one.

    Source: arXiv 2007.06600; ``factorize_weight`` of ``utils.py`` in the released code.

    Attributes:
        components: Directions for each range of slots.
    """

    name = "sefa"
    source = "arXiv 2007.06600"
    components: int = 40

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        if not isinstance(generator, WSpace):
            directions = eigen([z_space(generator, "SeFa").z_weight()])[: self.components]
            return {str(k): ZChange(row) for k, row in enumerate(directions)}
        maps, slots = generator.style_maps(), generator.slots
        edits: dict[str, Change] = {}
        for start, stop in GROUPS:
            weights = [maps[slot][0] for slot in slots[start:stop] if slot in maps]
            if weights:
                directions = eigen(weights)[: self.components]
                name = f"in {start}-{len(slots[:stop]) - 1}"
                edits |= {f"{k} {name}": WChange(v, start, stop) for k, v in enumerate(directions)}
        return edits


def eigen(weights: Sequence[Tensor]) -> Tensor:
    """Return directions ``[D, D]`` (rows, strongest first) from maps ``[C, D]``."""
    rows = torch.cat([weight.double().cpu() for weight in weights])
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return fix_signs(eigenvectors(rows.T @ rows)[1].T).float()

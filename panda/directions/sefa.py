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
from panda.generators.latent_spaces import has_w, w_space, z_space
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
        if not has_w(generator):
            return {str(k): ZChange(row) for k, row in enumerate(self.directions(generator))}
        slots = w_space(generator, "SeFa").slots
        edits: dict[str, Change] = {}
        for start, stop in GROUPS:
            rows = self.directions(generator, start, stop)
            name = f"in {start}-{len(slots[:stop]) - 1}"
            edits |= {f"{k} {name}": WChange(row, start, stop) for k, row in enumerate(rows)}
        return edits

    def directions(self, generator: Generator, start: int = 0, stop: int | None = None) -> Tensor:
        """Return the directions of w in a range of slots, or of z where there is no w.

        Args:
            generator: The generator.
            start: The first slot of w whose affine map counts.
            stop: The slot after the last one; None for all from ``start`` on.

        Returns:
            ``[K, D]``, strongest first; none where no slot of the range styles features.

        Raises:
            PandaError: Where the generator has neither w nor z.
        """
        if not has_w(generator):
            return eigen([z_space(generator, "SeFa").z_weight()])[: self.components]
        space = w_space(generator, "SeFa")
        maps = space.style_maps()
        weights = [maps[slot][0] for slot in space.slots[start:stop] if slot in maps]
        return eigen(weights)[: self.components] if weights else space.w_mean.new_zeros(0, 1)


def eigen(weights: Sequence[Tensor]) -> Tensor:
    """Return directions ``[D, D]`` (rows, strongest first) from maps ``[C, D]``."""
    rows = torch.cat([weight.double().cpu() for weight in weights])
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return fix_signs(eigenvectors(rows.T @ rows)[1].T).float()

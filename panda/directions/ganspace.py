"""GANSpace (Harkonen et al., NeurIPS 2020): principal components of w, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, WChange, ZChange
from panda.directions.method import Method
from panda.directions.pca import principal_axes
from panda.factorization.linear_algebra import fix_signs
from panda.generators.contract import Generator
from panda.generators.latent_spaces import ZSpace, has_w, w_space, z_space
from panda.metrics.regions import Regions

RANGES = ((0, None), (3, 7), (4, 8), (4, 5), (5, 6), (6, 7), (7, 8))
"""Slots that the published edits of faces move: all, some in the middle, single ones."""


@dataclass(frozen=True)
class GANSpace(Method):
    """Principal components of w, each in several ranges of slots.

    Where there is no w, principal components of the first layer's features, and a regression from
    their coordinates to z. A strength counts standard deviations.

    Source: arXiv 2004.02546, section 2; ``decomposition.py`` of the released code.

    Attributes:
        samples: Samples of w.
        components: Directions for each range of slots.
        features: Samples of the first layer's features, where there is no w.
    """

    name = "ganspace"
    source = "arXiv 2004.02546"
    samples: int = 300_000
    components: int = 80
    features: int = 2000

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        steps = self.steps(generator)
        if not has_w(generator):
            return {str(k): ZChange(row) for k, row in enumerate(steps)}
        slots = len(w_space(generator, "GANSpace").slots)
        return {
            f"{k} in {start}-{(stop or slots) - 1}": WChange(step, start, stop)
            for start, stop in RANGES
            if (stop or 0) <= slots
            for k, step in enumerate(steps)
        }

    def steps(self, generator: Generator) -> Tensor:
        """Return the directions of w, or of z where there is no w, one standard deviation long.

        Returns:
            ``[K, D]``, that with the largest variance first.

        Raises:
            PandaError: Where the generator has neither w nor z.
        """
        if not has_w(generator):
            return self._by_features(z_space(generator, "GANSpace"))
        axes, deviations = principal_axes(w_space(generator, "GANSpace"), self.samples)
        return (axes * deviations[:, None])[: self.components]

    def _by_features(self, space: ZSpace) -> Tensor:
        """Return the directions ``[K, Z]`` of the first layer's components, one deviation each."""
        layer = next(iter(space.layers))
        count = min(self.components, self.features - 1)
        zs, rows = [], []
        for start in range(0, self.features, 100):
            latents = space.sample(range(start, min(start + 100, self.features)), truncation=1.0)
            zs.append(latents.tensors["z"].cpu())
            rows.append(space.head(latents, layer).x.flatten(1).cpu())
        z, x = torch.cat(zs).double(), torch.cat(rows).double()
        centered = x - x.mean(0)
        left, scales, _ = torch.linalg.svd(centered, full_matrices=False)
        coordinates = left[:, :count] * len(x) ** 0.5  # of variance one
        rank = int((scales > scales[0] * 1e-10).sum())
        directions = torch.linalg.lstsq(coordinates[:, :rank], z - z.mean(0)).solution
        return fix_signs(directions).float()

"""LOCO Edit (Chen et al., NeurIPS 2024): singular vectors inside a mask, projected off the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from panda.directions.changes import Change
from panda.directions.feature_jacobian import feature_jacobians
from panda.directions.method import Method
from panda.errors import PandaError
from panda.generators.contract import Generator
from panda.metrics.regions import Regions

LEAST = 1e-6
"""What has to be left of a direction of norm one."""


@dataclass(frozen=True)
class LOCO(Method):
    """What changes a region most, without what changes the rest of the image most.

    V are the leading right singular vectors of the Jacobian inside a region, V0 those outside; the
    directions are V - V0 V0^T V, of norm one. J is the Jacobian of the image that a step of a
    sampler expects (the posterior mean) with respect to the features of a layer.

    The paper moves noisy latents; where a generator has these as a layer, this does, too. Of a
    generator that is no sampler, J is the Jacobian of the image.

    Source: arXiv 2409.02374, section 3; ``modules/edit.py`` of the released code.

    Attributes:
        layer: Whose features are moved; by default the usual one
            (`panda.factorization.usual.usual_place`).
        images: Images whose Jacobians are stacked.
        directions: Directions for each region.
        null: Vectors that are projected away.
        iterations: At most so many steps of subspace iteration.
        predicted: Whether samplers tell the image that they expect; else it is the final one, after
            all steps that are left.
    """

    name = "loco"
    source = "arXiv 2409.02374"
    layer: str = ""
    images: int = 1
    directions: int = 5
    null: int = 5
    iterations: int = 10
    predicted: bool = True

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        edits: dict[str, Change] = {}
        given = generator, regions, self.layer, self.images, self.predicted
        for jacobian in feature_jacobians(*given):
            _, inside = jacobian.inside(self.directions, self.iterations)
            _, outside = jacobian.outside(self.null, self.iterations)
            for k, row in enumerate(off(inside, outside)):
                edits[f"{jacobian.region} {k}"] = jacobian.change(row)
        if not edits:
            raise PandaError(
                f"LOCO finds no direction of {generator.name}: whatever moves a region moves the"
                " rest too; a smaller 'null' lets it move"
            )
        return edits


def off(rows: Tensor, others: Tensor) -> Tensor:
    """Return rows ``[K, D]`` of norm one without their share in the span of others.

    Args:
        rows: ``[K, D]``, of norm one. What is inside of that span is left out.
        others: ``[M, D]``, orthonormal.
    """
    left = rows - rows @ others.T @ others
    norms = left.norm(dim=1, keepdim=True)
    unit: Tensor = left / norms.clamp_min(LEAST)
    return unit[norms[:, 0] > LEAST]

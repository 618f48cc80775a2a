"""LocalDiff (Kouzelis et al., BMVC 2024): joint and individual components of Jacobians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change
from panda.directions.feature_jacobian import feature_jacobians
from panda.directions.method import Method
from panda.errors import PandaError
from panda.factorization.linear_algebra import fix_signs
from panda.generators.contract import Generator
from panda.metrics.regions import Regions

STEPS = 1000
"""The most steps of `jive`."""

TOLERANCE = 1e-8
"""Of `jive`: what a step changes of the joint part, relative to the blocks."""


@dataclass(frozen=True)
class LocalDiff(Method):
    """JIVE of the Jacobians inside and outside of a region.

    Both are first cut to their leading singular vectors, by subspace iteration, and scaled to norm
    one. The individual directions of the region are what they do not share; the joint ones are what
    moves both. All have norm one. J is the Jacobian of the image that a step of a sampler expects
    with respect to the features of a layer.

    The paper's layer is the bottleneck of a denoising UNet (h-space), and its image the one that
    the step predicts. Of a generator that is no sampler, J is the Jacobian of the image.

    Source: arXiv 2408.16845, section 3; JIVE is that of Lock et al., Annals of Applied Statistics
    7(1), 2013. Nothing was taken from the released code.

    Attributes:
        layer: Whose features are moved; by default the usual one
            (`panda.factorization.usual.usual_place`).
        images: Images whose Jacobians are stacked.
        rank: Singular vectors inside, and outside.
        joint: Joint directions for each region.
        directions: Individual ones.
        iterations: At most so many steps of subspace iteration.
        predicted: Whether samplers tell the image that they expect; else it is the final one, after
            all steps that are left.
    """

    name = "localdiff"
    source = "arXiv 2408.16845"
    layer: str = ""
    images: int = 1
    rank: int = 10
    joint: int = 5
    directions: int = 5
    iterations: int = 10
    predicted: bool = True

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        edits: dict[str, Change] = {}
        given = generator, regions, self.layer, self.images, self.predicted
        for jacobian in feature_jacobians(*given):
            blocks = []
            for values, rows in (
                jacobian.inside(self.rank, self.iterations),
                jacobian.outside(self.rank, self.iterations),
            ):
                if not len(values):
                    raise PandaError(
                        f"nothing in {jacobian.region}, or nothing around it, depends on"
                        f" {jacobian.layer.name} in {generator.name}, so nothing can be decomposed"
                    )
                blocks.append(values[:, None] * rows / values.norm())
            joint, (own, _) = jive(blocks, self.joint, self.directions)
            for kind, found in (("", own), ("joint ", joint)):
                for k, row in enumerate(found):
                    edits[f"{jacobian.region} {kind}{k}"] = jacobian.change(row)
        return edits


def jive(blocks: Sequence[Tensor], joint: int, individual: int) -> tuple[Tensor, list[Tensor]]:
    """Split what blocks of rows have in common from what each has for itself.

    Minimizes the sum of ``|X_i - J_i - A_i|^2`` in turns (Lock et al., 2013): the J_i have one row
    space of rank ``joint``, each A_i has one of rank ``individual``, and these are orthogonal to
    the former.

    Args:
        blocks: ``[K_i, D]`` float64 each.
        joint: The rank of what is in common.
        individual: That of what each block has for itself.

    Returns:
        Orthonormal rows of the joint part ``[joint, D]``, and of each block's own
        ``[individual, D]``, the strongest first; fewer where there is no more.
    """
    frame = torch.linalg.svd(torch.cat(list(blocks)), full_matrices=False)[2]
    small = [block @ frame.T for block in blocks]  # all that follows is within their span
    size = torch.cat(small).norm()
    common = torch.zeros_like(torch.cat(small))
    own = [torch.zeros_like(block) for block in small]
    shared = small[0].new_zeros(0, len(frame))
    rows: list[Tensor] = []
    for _ in range(STEPS):
        left = torch.cat([block - part for block, part in zip(small, own, strict=True)])
        shared = _row_space(left, joint)
        before, common = common, left @ shared.T @ shared
        parts = torch.split(common, [len(block) for block in small])
        pairs = zip(small, parts, strict=True)
        rows, own = [], []
        for block, part in pairs:
            rest = block - part
            rest = rest - rest @ shared.T @ shared
            rows.append(_row_space(rest, individual))
            own.append(rest @ rows[-1].T @ rows[-1])
        if bool((common - before).norm() <= TOLERANCE * size):
            break
    return fix_signs(shared @ frame), [fix_signs(each @ frame) for each in rows]


def _row_space(matrix: Tensor, rank: int) -> Tensor:
    """Return the leading right singular vectors ``[rank, D]``; no more than the matrix has."""
    values, rows = torch.linalg.svd(matrix, full_matrices=False)[1:]
    space: Tensor = rows[:rank][values[:rank] > 1e-9 * values[0].clamp_min(1e-300)]
    return space

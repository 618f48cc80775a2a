"""LowRankGAN (Zhu et al., NeurIPS 2021): directions that move a region and not the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, WChange
from panda.directions.gradients import sensitivities
from panda.directions.method import Method
from panda.errors import PandaError
from panda.generators.contract import Generator
from panda.generators.latent_spaces import w_space
from panda.metrics.regions import Regions

TOLERANCE = 1e-7
"""Of the robust PCA: the norm of the residual, relative to the matrix."""

GROWTH = 1.1
"""Of the robust PCA's weight in each step: the objective ends within 1e-5 of slower growth's."""


@dataclass(frozen=True)
class LowRankGAN(Method):
    """Robust PCA of J^T J inside and outside a region; the first, projected off the second.

    J is the Jacobian of an image with respect to w. Directions have norm one.

    Source: arXiv 2106.04488, section 3; ``compute_directions.py`` and ``RobustPCA.py`` of the
    released code.

    Attributes:
        images: Images whose Jacobian is taken, each for itself.
        pixels: Their width.
        sparsity: Weight of the sparse term in the robust PCA.
        relax: By how many dimensions the outside may move.
        directions: Directions for each region and image.
        start: The first slot that is moved.
        stop: The slot after the last that is moved.
        subspace: See `panda.directions.gradients.sensitivities`.
    """

    name = "lowrankgan"
    source = "arXiv 2106.04488"
    images: int = 5
    pixels: int = 256
    sparsity: float = 1 / 60
    relax: int = 0
    directions: int = 5
    start: int = 4
    stop: int = 8
    subspace: int | None = None

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        space = w_space(generator, "LowRankGAN")
        edits: dict[str, Change] = {}
        for sensitivity in sensitivities(space, regions, self.images, self.pixels, self.subspace):
            inside, _ = robust_pca(sensitivity.inside, self.sparsity)
            outside, _ = robust_pca(sensitivity.outside, self.sparsity)
            origin = f"image {sensitivity.image}"
            for k, row in enumerate(self._project(inside, outside)[: self.directions]):
                name = f"{sensitivity.region} {k} of {origin}"
                edits[name] = WChange(row, self.start, self.stop)
        if not edits:
            raise PandaError(
                "LowRankGAN finds no direction: whatever moves a region moves the rest too; a"
                " larger 'relax' lets it move a little"
            )
        return edits

    def _project(self, inside: Tensor, outside: Tensor) -> Tensor:
        """Return directions ``[K, D]``: the inside's, without their share in the outside's span."""
        ranks = [int(torch.linalg.matrix_rank(m)) for m in (inside, outside)]
        moving = torch.linalg.svd(inside)[2][: ranks[0]]
        null = torch.linalg.svd(outside)[2][max(1, ranks[1] - self.relax) :]
        rows: Tensor = moving @ null.T @ null
        norms = rows.norm(dim=1, keepdim=True)
        rows = rows[norms[:, 0] > 1e-6]
        unit: Tensor = rows / rows.norm(dim=1, keepdim=True)
        return unit.float()


def robust_pca(matrix: Tensor, sparsity: float) -> tuple[Tensor, Tensor]:
    """Split a symmetric matrix into one of low rank and a sparse one (Candes et al., 2011).

    Minimizes ``|L|_* + sparsity |S|_1`` where ``L + S = matrix``, by augmented Lagrangians whose
    weight grows (Lin, Chen and Ma, arXiv 1009.5055): a hundred steps where a fixed weight takes
    thousands. Both stay symmetric, so an eigendecomposition replaces the SVD.

    Args:
        matrix: ``[D, D]``, symmetric.
        sparsity: Weight of the sparse term.

    Returns:
        L and S, ``[D, D]`` each.

    Raises:
        PandaError: Where the matrix is zero.
    """
    norm = matrix.norm()
    if not bool(norm > 0):
        raise PandaError("nothing in the region changes with w, so there is nothing to decompose")
    largest = torch.linalg.matrix_norm(matrix, 2)
    weight = float(1.25 / largest)
    dual = matrix / torch.maximum(largest, matrix.abs().max() / sparsity)
    sparse = low = torch.zeros_like(matrix)
    left = matrix
    while bool(left.norm() > TOLERANCE * norm):
        values, vectors = torch.linalg.eigh(matrix - sparse + dual / weight)
        low = (vectors * _soft(values, 1 / weight)) @ vectors.T
        sparse = _soft(matrix - low + dual / weight, sparsity / weight)
        left = matrix - low - sparse
        dual = dual + weight * left
        weight *= GROWTH
    return low, sparse


def _soft(values: Tensor, threshold: float) -> Tensor:
    return values.sign() * (values.abs() - threshold).clamp_min(0)

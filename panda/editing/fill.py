"""Features for places whose own are to go: continued from their surroundings.

The continuation is harmonic: every unknown feature is the mean of its four neighbors, with those
that are known as they are (a discrete Laplace equation). Gradients, horizons and walls go on, and
there is no step at the edge.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags, identity, kron
from scipy.sparse.linalg import splu
from torch import Tensor


def fill(features: Tensor, unknown: Tensor) -> Tensor:
    """Return features whose unknown positions continue the known ones.

    Args:
        features: Features ``[N, C, H, W]``.
        unknown: ``[N, H, W]`` bool; each sample has a known position.

    Returns:
        Features ``[N, C, H, W]``, with the known ones as they were; no gradients pass through.
    """
    height, width = features.shape[2:]
    laplacian = _laplacian(height, width)
    filled = features.detach().flatten(2).clone()
    for row, mask in zip(filled, unknown.flatten(1).cpu().numpy(), strict=True):
        if not mask.any():
            continue
        equations = laplacian[mask]
        known = row[:, torch.from_numpy(~mask)].double().cpu().numpy()
        solver = splu(equations[:, mask].tocsc())
        solution = solver.solve(np.ascontiguousarray(-(equations[:, ~mask] @ known.T)))
        row[:, torch.from_numpy(mask)] = torch.from_numpy(solution.T).to(row)
    return filled.view_as(features)


def _laplacian(height: int, width: int) -> csr_matrix:
    """Return the negative Laplacian of a grid with free edges, ``[H W, H W]``."""

    def path(count: int) -> csr_matrix:
        steps = diags([1.0, -1.0], [1, 0], (count - 1, count))
        return steps.T @ steps

    return csr_matrix(kron(path(height), identity(width)) + kron(identity(height), path(width)))

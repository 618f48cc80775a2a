"""Singular vectors of Jacobians that are too large to be written down."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from panda.factorization.linear_algebra import fix_signs
from panda.progress import bar

LEAST = 1e-6
"""A singular value below that share of the first is a rounding error."""

EXTRA = 2
"""Vectors beside those that are wanted: the last ones converge slowest."""

TOLERANCE = 1e-3
"""Of the wanted singular values, relative to the first, from one iteration to the next."""


def leading(
    gram: Callable[[Tensor], Tensor], size: int, rank: int, iterations: int
) -> tuple[Tensor, Tensor]:
    """Return the leading singular values and right singular vectors of a matrix J.

    Subspace iteration: a block of vectors is multiplied by J^T J and made orthonormal again, and
    the eigenvectors of J^T J within the block are taken (Rayleigh and Ritz). The first block is
    always the same.

    Args:
        gram: From rows ``[K, size]`` to J^T J times each of them.
        size: The columns of J.
        rank: How many to return; fewer where J has a lower rank.
        iterations: At most so many; it stops before where singular values no longer change.

    Returns:
        Values ``[rank]``, the largest first, and orthonormal rows ``[rank, size]``, float64.
    """
    rank = min(rank, size)
    draw = torch.Generator().manual_seed(0)
    block = torch.randn(size, min(rank + EXTRA, size), generator=draw, dtype=torch.float64)
    rows = torch.linalg.qr(block)[0].T
    values = torch.zeros(len(rows), dtype=torch.float64)
    with bar(total=iterations, desc="singular vectors", unit="step") as progress:
        for _ in range(iterations):
            moved = gram(rows).double().cpu()
            inner = rows @ moved.T
            squares, turn = torch.linalg.eigh((inner + inner.T) / 2)
            before, values = values, squares.flip(0).clamp_min(0).sqrt()
            rows = torch.linalg.qr((turn.flip(1).T @ moved).T)[0].T
            progress.update()
            if bool(((values - before)[:rank].abs() <= TOLERANCE * values[0]).all()):
                break
    count = int((values[:rank] > LEAST * values[0].clamp_min(1e-300)).sum())
    return values[:count], fix_signs(rows[:count])

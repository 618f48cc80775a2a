"""Linear algebra that fits and methods share: eigenvectors, their signs, range finders."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import torch
from torch import Tensor


def fix_signs(vectors: Tensor, dim: int = -1) -> Tensor:
    """Return vectors with the sign that makes the largest entry along ``dim`` positive.

    Eigenvectors have no sign of their own, so libraries differ in it; this one is the same on
    every machine.
    """
    largest = vectors.abs().argmax(dim, keepdim=True)
    return vectors * vectors.gather(dim, largest).sign()


def eigenvectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues ``[n]`` and eigenvectors (columns) of a symmetric matrix ``[n, n]``.

    The largest eigenvalue comes first.
    """
    values, vectors = torch.linalg.eigh(matrix)
    return values.flip(-1), vectors.flip(-1)


def leading_eigenvectors(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``count`` largest eigenvalues of a positive matrix and their eigenvectors.

    Lanczos' method finds them to the last digits in a fifth of the time, where they all differ;
    for equal ones, such as zeros, its vectors would be random. So is its next direction where it
    has none left, which the numbers of one generator decide here: the same in every call.

    Args:
        matrix: Symmetric and positive semidefinite, ``[n, n]``.
        count: How many to return, at most n.

    Returns:
        The values ``[count]``, the largest first, and the vectors as columns, ``[n, count]``.
    """
    size, scale = len(matrix), float(matrix.trace())
    if size > 4 * count and scale > 0:
        start = np.random.default_rng(0).standard_normal(size)
        with suppress(scipy.sparse.linalg.ArpackError):
            values, vectors = scipy.sparse.linalg.eigsh(
                matrix / scale, count + 1, which="LA", v0=start, rng=np.random.default_rng(0)
            )
            if np.diff(values).min() > 1e-9 * values[-1]:
                return scale * values[:0:-1], vectors[:, :0:-1]
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(size - count, size - 1))
    return values[::-1], vectors[:, ::-1]


def range_finder(matrix: Tensor, rank: int, powers: int, *, orthonormalize: bool = True) -> Tensor:
    """Return an orthonormal basis of about the leading right singular vectors of a matrix.

    A randomized range finder (Halko, Martinsson and Tropp 2011, algorithms 4.3 and 4.4). The random
    vectors are always the same.

    Args:
        matrix: ``[..., m, n]``; leading dimensions are matrices of their own.
        rank: How many basis vectors to return, at most m and n.
        powers: The number of power iterations.
        orthonormalize: Whether to do so before each power iteration, for accuracy where singular
            values differ much (algorithm 4.4).

    Returns:
        The basis as columns, ``[..., n, rank]``, in no particular order.
    """
    source = torch.Generator().manual_seed(0)
    span = matrix.mT @ torch.randn(matrix.shape[-2], rank, generator=source).to(matrix)
    for _ in range(powers):
        span = torch.linalg.qr(span)[0] if orthonormalize else span
        span = matrix.mT @ (matrix @ span)
    basis: Tensor = torch.linalg.qr(span)[0]
    return basis


def nystrom_axes(products: Tensor, probes: Tensor, count: int) -> Tensor:
    """Return about the leading eigenvectors of a positive matrix of which only products are known.

    The approximation of Nystrom (Tropp et al., arXiv 1706.05736), exact where the probes span all
    dimensions.

    Args:
        products: The matrix times the probes, ``[n, k]`` float64, of float32 accuracy.
        probes: Orthonormal columns ``[n, k]``.
        count: How many to return, at most k.

    Returns:
        The eigenvectors as columns, ``[n, count]``, the strongest first.
    """
    # The products are of float32: what their rounding could have made is left out.
    values, vectors = torch.linalg.eigh(probes.T @ products)
    certain = values > 1e-6 * values[-1]
    half = products @ torch.where(certain, vectors / values.clamp_min(1e-300).sqrt(), 0.0)
    axes: Tensor = torch.linalg.svd(half, full_matrices=False)[0][:, :count]
    return axes


def varimax(loadings: Tensor, iterations: int = 100) -> Tensor:
    """Rotate loadings ``[S, R]`` so that each column is large in few places (Kaiser 1958)."""
    rotation = torch.eye(loadings.shape[1], dtype=loadings.dtype)
    for _ in range(iterations):
        rotated = loadings @ rotation
        target = rotated**3 - rotated * rotated.square().mean(0)
        u, _, v = torch.linalg.svd(loadings.T @ target)
        rotation = u @ v
    return loadings @ rotation

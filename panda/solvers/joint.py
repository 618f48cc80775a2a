"""The joint solver: no learning rate, no step count, and the loss never rises.

With G = A A^T and H = P P^T the loss is

    L = sum_i tr(Z_i^T Z_i) - 2 tr(G Z_i H Z_i^T) + tr(G^2 Z_i H^2 Z_i^T).

For a fixed A it is a quartic in P with two small matrices in it, and for a fixed P the same quartic
in A; when A has full rank the second one has a closed form (a Lyapunov equation). The two steps
alternate until the loss stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.progress import bar
from panda.solvers.quartic import minimize_quartic, quartic
from panda.statistics import Statistics

TOLERANCE = 2e-5
"""Stop when a round lowers the loss by less than this fraction of the energy."""

COARSE = 4
"""The first rounds see so many spatial components for each part."""


@dataclass(frozen=True)
class Solution:
    """Appearances ``[C, R_C]``, parts ``[S, R_S]`` and what the solver saw.

    ``trace`` is the loss after each half step, as a fraction of the energy of the features.
    """

    appearances: Tensor
    parts: Tensor
    trace: tuple[float, ...]


def joint(statistics: Statistics, appearances: int, parts: int) -> Solution:
    """Minimize the loss over both factors; the same statistics give the same factors.

    Most rounds run on few spatial components, where they are cheap; the last ones see them all.
    Raises `PandaError` where a part comes out all zero.
    """
    scatter = _spatial_scatter(statistics) / statistics.energy
    basis = statistics.basis.double().cpu()
    P = minimize_quartic(scatter, scatter, _initial_parts(basis, scatter, parts), basis)
    if COARSE * parts < len(scatter):
        P = _alternate(_leading(statistics, scatter, COARSE * parts), appearances, P).parts
    return _canonical(statistics, _alternate(statistics, appearances, P))


def _alternate(statistics: Statistics, rank: int, P: Tensor) -> Solution:
    """Alternate the two half steps from P until the loss stands still."""
    energy = statistics.energy
    basis = statistics.basis.double().cpu()
    A: Tensor | None = None
    trace: list[float] = []
    loss = float("inf")
    with bar(desc=f"solve on {basis.shape[1]} components", unit="round") as progress:
        while True:
            n1, n2 = (moment / energy for moment in _channel_moments(statistics, P))
            A = _solve_appearances(n1, n2, rank, A)
            before, loss = loss, 1 + quartic(n1, n2, A)
            trace.append(max(0.0, loss))
            progress.set_postfix(loss=f"{loss:.5f}")
            progress.update()
            if not before - loss >= TOLERANCE:  # also where the loss is NaN
                return Solution(A, P, tuple(trace))
            m1, m2 = (moment / energy for moment in _spatial_moments(statistics, A))
            P = minimize_quartic(m1, m2, P, basis)
            trace.append(1 + quartic(m1, m2, P, basis))


def _leading(statistics: Statistics, scatter: Tensor, components: int) -> Statistics:
    """The same statistics in their leading spatial components alone."""
    axes = torch.linalg.eigh(scatter)[1][:, -components:]
    return statistics.project(torch.eye(statistics.mean.shape[0]), axes)


def _initial_parts(basis: Tensor, scatter: Tensor, parts: int) -> Tensor:
    """Localize the leading spatial components with varimax and keep their positive side.

    Random starts end in several local optima; at 16 x 16 of a face generator this one ends in the
    best of those that fourteen of them found.
    """
    values, vectors = torch.linalg.eigh(scatter)
    leading = vectors[:, -parts:] * values[-parts:].clamp_min(0).sqrt()
    loadings = varimax(basis @ leading)
    loadings = loadings * loadings.pow(3).sum(0).sign()
    P = loadings.clamp_min(0)
    unit: Tensor = P / P.norm(dim=0).clamp_min(torch.finfo(P.dtype).tiny)
    return unit


def varimax(loadings: Tensor, iterations: int = 100) -> Tensor:
    """Rotate ``[S, R]`` loadings so that each column is large in few places (Kaiser 1958)."""
    rotation = torch.eye(loadings.shape[1], dtype=loadings.dtype)
    for _ in range(iterations):
        rotated = loadings @ rotation
        target = rotated**3 - rotated * rotated.square().mean(0)
        u, _, v = torch.linalg.svd(loadings.T @ target)
        rotation = u @ v
    return loadings @ rotation


def _spatial_scatter(statistics: Statistics) -> Tensor:
    """The sum of Z^T Z in the basis, ``[K, K]`` float64 on the CPU."""

    def terms(z: Tensor) -> tuple[Tensor]:
        rows = z.flatten(0, 1)
        return (rows.T @ rows,)

    return statistics.sum(terms)[0]


def _spatial_moments(statistics: Statistics, A: Tensor) -> tuple[Tensor, Tensor]:
    """The sums of Z^T G Z and Z^T G^2 Z in the basis, ``[K, K]`` float64 on the CPU."""

    def terms(z: Tensor, G: Tensor) -> tuple[Tensor, Tensor]:
        rows, product = z.flatten(0, 1), (G @ z).flatten(0, 1)
        return rows.T @ product, product.T @ product

    m1, m2 = statistics.sum(terms, A @ A.T)
    return (m1 + m1.T) / 2, m2


def _channel_moments(statistics: Statistics, P: Tensor) -> tuple[Tensor, Tensor]:
    """The sums of Z H Z^T and Z H^2 Z^T, ``[C, C]`` float64 on the CPU; only Z P is formed."""

    def terms(z: Tensor, pooled: Tensor, H: Tensor) -> tuple[Tensor, Tensor]:
        y = z @ pooled
        rows = y.movedim(1, 0).flatten(1)
        return rows @ rows.T, (y @ H).movedim(1, 0).flatten(1) @ rows.T

    n1, n2 = statistics.sum(terms, statistics.basis.double().cpu().T @ P, P.T @ P)
    return n1, (n2 + n2.T) / 2


def _coordinate_scatter(statistics: Statistics, A: Tensor) -> Tensor:
    """The sum of A^T Z Z^T A, ``[R_C, R_C]`` float64 on the CPU."""

    def terms(z: Tensor, A: Tensor) -> tuple[Tensor]:
        rows = (A.T @ z).movedim(1, 0).flatten(1)
        return (rows @ rows.T,)

    return statistics.sum(terms, A)[0]


def _solve_appearances(n1: Tensor, n2: Tensor, rank: int, start: Tensor | None) -> Tensor:
    """The best A ``[C, R_C]`` for moments ``[C, C]``, never worse than ``start``.

    Everything happens in the span of the samples, which is small where N R_S < C; appearances
    beyond it are zero.
    """
    values, span = torch.linalg.eigh(n2)
    kept = values > 1e-10 * values[-1]
    values, span = values[kept], span[:, kept]
    size = min(rank, len(values))
    n1, n2 = span.T @ n1 @ span, values.diag()
    candidates = [] if start is None else [(span.T @ start)[:, :size]]
    if rank < span.shape[1]:
        candidates = candidates or [torch.linalg.eigh(n1)[1][:, -size:]]
        optimal = False
    else:
        G = 2 * n1 / (values[:, None] + values)
        weights, axes = torch.linalg.eigh((G + G.T) / 2)
        candidates.append(axes * weights.clamp_min(0).sqrt())
        optimal = bool(weights[0] >= -1e-6 * weights[-1])
    best = candidates[-1] if optimal else min(candidates, key=lambda X: quartic(n1, n2, X))
    best = best if optimal else minimize_quartic(n1, n2, best)
    A = torch.zeros(len(span), rank, dtype=span.dtype)
    A[:, : best.shape[1]] = span @ best
    return A


def _canonical(statistics: Statistics, solution: Solution) -> Solution:
    """Fix what the loss leaves free: one scale, the rotation of A, signs and the order of parts.

    A A^T keeps A only up to a rotation, so A is turned to the principal axes of the coordinates
    A^T Z, strongest first, as in the HOSVD that the released code starts from.
    """
    A, P = solution.appearances, solution.parts
    if not bool(torch.isfinite(A).all() and torch.isfinite(P).all()):
        raise PandaError("the solver met NaN; the features hold values too large for float32")
    empty = (P.norm(dim=0) == 0).nonzero().flatten().tolist()
    if empty:
        raise PandaError(
            f"{len(empty)} of {P.shape[1]} parts came out all zero: these features have no more"
            f" than {P.shape[1] - len(empty)} parts, ask for fewer"
        )
    scale = (A.shape[1] / A.square().sum()).sqrt()
    A, P = A * scale, P / scale
    scatter = _coordinate_scatter(statistics, A)
    A = A @ torch.linalg.eigh(scatter)[1].flip(1)
    A = A * A.gather(0, A.abs().argmax(0, keepdim=True)).sign()
    m1, _ = _spatial_moments(statistics, A)
    pooled = statistics.basis.double().cpu().T @ P
    order = (pooled * (m1 @ pooled)).sum(0).argsort(descending=True, stable=True)
    return Solution(A.float(), P[:, order].float(), solution.trace)

"""The subproblem of every solver: a quartic in one factor while the other is fixed.

    f(X) = -2 tr(T^T M1 T) + tr((X^T X)(T^T M2 T)),  T = Q^T X

with X the parts (X >= 0, moments given in a spatial basis Q) or the appearances (free, no basis).
Along a line f is a polynomial of degree 4, so every step goes to its lowest point exactly: no
trial steps, no step length to tune, and f never rises. Leading dimensions are separate problems
that are solved together, each with its own step lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from panda.threads import single_threaded

WINDOW = 4
"""A descent ends where this many steps together gain less than its tolerance: a single step may
gain little, since its length is not chosen for descent."""


class Point(NamedTuple):
    """A point X ``[..., S, R]`` and the products that f and its gradient need.

    The first four are linear in X; ``square`` is X^T X and ``moment`` is T^T M2 T.
    """

    X: Tensor
    T: Tensor
    M1_T: Tensor
    M2_T: Tensor
    square: Tensor
    moment: Tensor

    @staticmethod
    def of(X: Tensor, T: Tensor, M1_T: Tensor, M2_T: Tensor) -> Point:
        """Complete a point by its two squares."""
        return Point(X, T, M1_T, M2_T, X.mT @ X, T.mT @ M2_T)

    def moved(self, length: Tensor, step: Point) -> Point:
        """Return the point at X + length times the step's X, without a product with M1 or M2."""
        return Point.of(*(torch.addcmul(self[k], length, step[k]) for k in range(4)))


@dataclass(frozen=True, eq=False)
class Quartic:
    """The function f.

    Attributes:
        M1: The moments in the quadratic term, ``[..., K, K]``.
        M2: The moments in the quartic term, ``[..., K, K]``.
        basis: For the parts, the spatial basis Q ``[..., S, K]``; for the appearances, none.
    """

    M1: Tensor
    M2: Tensor
    basis: Tensor | None = None

    def __call__(self, X: Tensor) -> Tensor:
        """Return the values f(X) ``[...]`` for X ``[..., S, R]``."""
        at = self.at(X)
        return (at.square * at.moment).sum((-2, -1)) - 2 * (at.T * at.M1_T).sum((-2, -1))

    def at(self, X: Tensor) -> Point:
        """Return the point X ``[..., S, R]`` with its products."""
        T = X if self.basis is None else (X.mT @ self.basis).mT
        return Point.of(X, T, self.M1 @ T, self.M2 @ T)

    def gradient(self, at: Point) -> Tensor:
        """Return the gradient of f at a point, in the shape of X."""
        inner = at.M2_T @ (2 * at.square) - 4 * at.M1_T
        outer = inner if self.basis is None else (inner.mT @ self.basis.mT).mT
        return outer.add_(at.X @ at.moment, alpha=2)

    def along(self, at: Point, step: Point) -> Tensor:
        """Return f(X + a D) - f(X) as a polynomial in a: coefficients ``[..., 4]`` of a to a^4."""

        def dot(left: Tensor, right: Tensor) -> Tensor:
            return (left.double() * right.double()).sum((-2, -1))

        s0, s1, s2 = at.square, at.X.mT @ step.X, step.square
        w0, w1, w2 = at.moment, at.T.mT @ step.M2_T, step.moment
        s1, w1 = s1 + s1.mT, w1 + w1.mT
        first = dot(s0, w1) + dot(s1, w0) - 4 * dot(step.T, at.M1_T)
        second = dot(s0, w2) + dot(s1, w1) + dot(s2, w0) - 2 * dot(step.T, step.M1_T)
        return torch.stack([first, second, dot(s1, w2) + dot(s2, w1), dot(s2, w2)], -1)


@single_threaded
def descend_parts(quartic: Quartic, start: Tensor, tolerance: float, iterations: int) -> Tensor:
    """Minimize f under X >= 0; no result is above its start.

    Spectral projected gradient (Birgin, Martinez and Raydan 2000): the gradient, scaled for each
    part by its curvature, times a length of Barzilai and Borwein, is cut off at zero; the step goes
    to the lowest point on the way there.

    Args:
        quartic: The function f.
        start: Parts ``[..., S, R_S]`` to start from.
        tolerance: Stop where a window of steps gains less than this.
        iterations: Stop after this many steps.

    Returns:
        The parts, in the shape of ``start``.
    """
    at = quartic.at(start.mT.contiguous().mT)  # rows in memory: long products run twice as fast
    before = moved = torch.zeros_like(at.X)
    convergence = _Convergence(tolerance)
    for iteration in range(iterations):
        gradient = quartic.gradient(at)
        scale = (at.T * at.M2_T).sum(-2, keepdim=True).clamp_min(1e-12)
        length = _spectral(moved, gradient - before, scale, iteration % 2)
        step = quartic.at((at.X - length * gradient / scale).clamp_min_(0).sub_(at.X))
        part = convergence.limit(*_lowest(quartic.along(at, step), 1.0)).to(start)
        if not bool(part.any()):
            break
        at, moved, before = at.moved(part, step), part * step.X, gradient
    return at.X.clamp_min(0)


@single_threaded
def descend_appearances(
    quartic: Quartic, start: Tensor, tolerance: float, iterations: int
) -> Tensor:
    """Minimize f for any X by conjugate gradients (Polak and Ribiere, with restarts).

    Args:
        quartic: The function f.
        start: Appearances ``[..., C, R_C]`` to start from.
        tolerance: Stop where a window of steps gains less than this.
        iterations: Stop after this many steps.

    Returns:
        The appearances, in the shape of ``start``.
    """
    at, direction = quartic.at(start), torch.zeros_like(start)
    before = torch.ones_like(start)
    convergence = _Convergence(tolerance)
    for _ in range(iterations):
        gradient = quartic.gradient(at)
        turn = _sum(gradient * (gradient - before)) / _sum(before.square())
        direction = turn.clamp_min(0) * direction - gradient
        direction = torch.where(_sum(direction * gradient) < 0, direction, -gradient)
        step = quartic.at(direction)
        part = convergence.limit(*_lowest(quartic.along(at, step))).to(start)
        if not bool(part.any()):
            break
        at, before = at.moved(part, step), gradient
    return at.X


class _Convergence:
    """Stops those of the problems that have converged."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._gains: list[Tensor] = []

    def limit(self, part: Tensor, gain: Tensor) -> Tensor:
        """Return the fraction of each step to take: zero once a window of gains is too small."""
        self._gains = [*self._gains[1 - WINDOW :], gain]
        if len(self._gains) < WINDOW:
            return part
        return part * (torch.stack(self._gains).sum(0) > self._tolerance)


def _sum(x: Tensor) -> Tensor:
    """Sum over each matrix, ``[..., 1, 1]``."""
    return x.sum((-2, -1), keepdim=True)


def _spectral(step: Tensor, change: Tensor, scale: Tensor, long: int) -> Tensor:
    """Return the long or the short step length of Barzilai and Borwein, ``[..., 1, 1]``.

    Descents use them in turn.
    """
    curvature = _sum(step * change)
    if long:
        length = _sum(step.square() * scale) / curvature
    else:
        length = curvature / _sum(change.square() / scale)
    return torch.where((curvature > 0) & length.isfinite(), length, 0.25)


def _lowest(coefficients: Tensor, limit: float = float("inf")) -> tuple[Tensor, Tensor]:
    """Return where in [0, limit] polynomials are lowest, and how far below zero: ``[..., 1, 1]``.

    Roots of the derivative are the reciprocals of eigenvalues; the real parts of complex ones are
    tried as well, which does no harm. On so few numbers NumPy takes a tenth of torch's time.
    """
    polynomials = coefficients.cpu().numpy()
    slopes = polynomials * [1, 2, 3, 4]
    companion = np.zeros((*polynomials.shape[:-1], 3, 3))
    companion[..., 1, 0] = companion[..., 2, 1] = 1
    with np.errstate(all="ignore"):  # what is not finite is no place to go to
        companion[..., :, 2] = -slopes[..., :0:-1] / slopes[..., :1]
        companion[~np.isfinite(companion)] = 0
        roots = (1 / np.linalg.eigvals(companion)).real
    places = np.concatenate([roots, np.full_like(roots[..., :1], limit)], -1)
    places = np.where(np.isfinite(places), places, 0).clip(0, limit)
    powers = np.stack([places, places**2, places**3, places**4], -1)
    depths = np.nan_to_num((powers @ polynomials[..., None])[..., 0])
    best = depths.argmin(-1)[..., None]
    depth = np.take_along_axis(depths, best, -1)
    place = np.where(depth < 0, np.take_along_axis(places, best, -1), 0)
    gain = np.maximum(0, -depth)
    return tuple(torch.from_numpy(x[..., None]).to(coefficients) for x in (place, gain))  # type: ignore[return-value]

"""The one subproblem of every solver: a quartic in one factor while the other one is fixed.

    f(X) = -2 tr(T^T M1 T) + tr((X^T X)(T^T M2 T)),  T = Q^T X

with X the parts (X >= 0, moments given in a spatial basis Q) or the appearances (free, no basis).
Along a line f is a polynomial of degree 4, so every step here goes to its lowest point exactly: no
trial steps, no step length to tune, and f never rises. Leading dimensions are problems that are
solved side by side, each with steps of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

WINDOW = 4
"""A descent ends where so many steps together gain less than its tolerance: the lengths of single
steps are not chosen for descent, and one may gain little on the way."""


class Point(NamedTuple):
    """X ``[..., S, R]`` and the products that f and its gradient need.

    The first four are linear in X; square is X^T X and moment is T^T M2 T.
    """

    X: Tensor
    T: Tensor
    M1_T: Tensor
    M2_T: Tensor
    square: Tensor
    moment: Tensor

    @staticmethod
    def of(X: Tensor, T: Tensor, M1_T: Tensor, M2_T: Tensor) -> Point:
        """With the squares."""
        return Point(X, T, M1_T, M2_T, X.mT @ X, T.mT @ M2_T)

    def moved(self, length: Tensor, step: Point) -> Point:
        """The point at X + length times the step's X, without another product of moments."""
        return Point.of(*(torch.addcmul(self[k], length, step[k]) for k in range(4)))


@dataclass(frozen=True)
class Quartic:
    """f for moments ``[..., K, K]``; for the parts, in a spatial basis ``[..., S, K]``."""

    M1: Tensor
    M2: Tensor
    basis: Tensor | None = None

    def __call__(self, X: Tensor) -> Tensor:
        """The values f(X) ``[...]``."""
        at = self.at(X)
        return (at.square * at.moment).sum((-2, -1)) - 2 * (at.T * at.M1_T).sum((-2, -1))

    def at(self, X: Tensor) -> Point:
        """The products for X."""
        T = X if self.basis is None else (X.mT @ self.basis).mT
        return Point.of(X, T, self.M1 @ T, self.M2 @ T)

    def gradient(self, at: Point) -> Tensor:
        """The gradient of f, of the shape of X."""
        inner = at.M2_T @ (2 * at.square) - 4 * at.M1_T
        outer = inner if self.basis is None else (inner.mT @ self.basis.mT).mT
        return outer.add_(at.X @ at.moment, alpha=2)

    def along(self, at: Point, step: Point) -> Tensor:
        """How f differs from its value here at X + a D: coefficients ``[..., 4]`` of a to a^4."""

        def dot(one: Tensor, two: Tensor) -> Tensor:
            return (one.double() * two.double()).sum((-2, -1))

        s0, s1, s2 = at.square, at.X.mT @ step.X, step.square
        w0, w1, w2 = at.moment, at.T.mT @ step.M2_T, step.moment
        s1, w1 = s1 + s1.mT, w1 + w1.mT
        first = dot(s0, w1) + dot(s1, w0) - 4 * dot(step.T, at.M1_T)
        second = dot(s0, w2) + dot(s1, w1) + dot(s2, w0) - 2 * dot(step.T, step.M1_T)
        return torch.stack([first, second, dot(s1, w2) + dot(s2, w1), dot(s2, w2)], -1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hundreds of tiny products: threads would wait for each other longer than they work.

    On a machine whose cores are also wanted by others, the wait is up to ten times the work.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def descend_parts(quartic: Quartic, start: Tensor, tolerance: float, iterations: int) -> Tensor:
    """Minimize f from ``start`` under X >= 0; no result is above its start.

    Spectral projected gradient (Birgin, Martinez and Raydan 2000): the gradient, scaled for each
    part by its curvature, times a length of Barzilai and Borwein, is cut off at zero; the step goes
    to the lowest point on the way there.
    """
    at = quartic.at(start.mT.contiguous().mT)  # rows in memory: long products run twice as fast
    before = moved = torch.zeros_like(at.X)
    ending = _Ending(tolerance)
    for iteration in range(iterations):
        gradient = quartic.gradient(at)
        scale = (at.T * at.M2_T).sum(-2, keepdim=True).clamp_min(1e-12)
        length = _spectral(moved, gradient - before, scale, iteration % 2)
        step = quartic.at((at.X - length * gradient / scale).clamp_min_(0).sub_(at.X))
        part = ending.judge(*_lowest(quartic.along(at, step), 1.0)).to(start)
        if not bool(part.any()):
            break
        at, moved, before = at.moved(part, step), part * step.X, gradient
    return at.X.clamp_min(0)


@_one_thread()
def descend_appearances(
    quartic: Quartic, start: Tensor, tolerance: float, iterations: int
) -> Tensor:
    """Minimize f from ``start``, X free: conjugate gradients (Polak and Ribiere, restarted)."""
    at, direction = quartic.at(start), torch.zeros_like(start)
    before = torch.ones_like(start)
    ending = _Ending(tolerance)
    for _ in range(iterations):
        gradient = quartic.gradient(at)
        turn = _sum(gradient * (gradient - before)) / _sum(before.square())
        direction = turn.clamp_min(0) * direction - gradient
        direction = torch.where(_sum(direction * gradient) < 0, direction, -gradient)
        step = quartic.at(direction)
        part = ending.judge(*_lowest(quartic.along(at, step))).to(start)
        if not bool(part.any()):
            break
        at, before = at.moved(part, step), gradient
    return at.X


class _Ending:
    """Holds still what has arrived."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._gains: list[Tensor] = []

    def judge(self, part: Tensor, gain: Tensor) -> Tensor:
        """The parts of the steps to take, zero from where a window of gains is too small."""
        self._gains = [*self._gains[1 - WINDOW :], gain]
        if len(self._gains) < WINDOW:
            return part
        return part * (torch.stack(self._gains).sum(0) > self._tolerance)


def _sum(x: Tensor) -> Tensor:
    return x.sum((-2, -1), keepdim=True)


def _spectral(step: Tensor, change: Tensor, scale: Tensor, long: int) -> Tensor:
    """The two lengths of Barzilai and Borwein ``[..., 1, 1]``, which callers take in turn."""
    curvature = _sum(step * change)
    if long:
        length = _sum(step.square() * scale) / curvature
    else:
        length = curvature / _sum(change.square() / scale)
    return torch.where((curvature > 0) & length.isfinite(), length, 0.25)


def _lowest(coefficients: Tensor, limit: float = float("inf")) -> tuple[Tensor, Tensor]:
    """Where in [0, limit] each polynomial is lowest, and how far below zero: both ``[..., 1, 1]``.

    Roots of the derivative are the reciprocals of eigenvalues; of complex ones the real part is
    tried as well, which does no harm. NumPy does a dozen operations on a few numbers each in a
    tenth of the time.
    """
    known = coefficients.cpu().numpy()
    slopes = known * [1, 2, 3, 4]
    companion = np.zeros((*known.shape[:-1], 3, 3))
    companion[..., 1, 0] = companion[..., 2, 1] = 1
    with np.errstate(all="ignore"):  # what is not finite is no place to go to
        companion[..., :, 2] = -slopes[..., :0:-1] / slopes[..., :1]
        companion[~np.isfinite(companion)] = 0
        roots = (1 / np.linalg.eigvals(companion)).real
    places = np.concatenate([roots, np.full_like(roots[..., :1], limit)], -1)
    places = np.where(np.isfinite(places), places, 0).clip(0, limit)
    powers = np.stack([places, places**2, places**3, places**4], -1)
    depths = np.nan_to_num((powers @ known[..., None])[..., 0])
    best = depths.argmin(-1)[..., None]
    depth = np.take_along_axis(depths, best, -1)
    place = np.where(depth < 0, np.take_along_axis(places, best, -1), 0)
    found = (torch.from_numpy(x[..., None]) for x in (place, np.maximum(0, -depth)))
    return tuple(x.to(coefficients) for x in found)  # type: ignore[return-value]

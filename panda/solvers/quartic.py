"""The one subproblem of every solver: a quartic in one factor while the other one is fixed.

    f(X) = -2 tr(T^T M1 T) + tr((X^T X)(T^T M2 T)),  T = Q^T X

with X the parts (X >= 0, moments given in a spatial basis Q) or the appearances (free, no basis).
Along a line f is a polynomial of degree 4, so every step here goes to its lowest point exactly: no
trial steps, no step length to tune, and f never rises. All is float64 on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

ITERATIONS = 200
TOLERANCE = 1e-12
"""A step that lowers f by less is the last one; f counts in units of the features' energy.

Rounding differs between batch sizes. Where a descent stops early, parts follow it by 1000 times as
much as where it has arrived.
"""


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


@dataclass(frozen=True)
class Point:
    """X and the products that f and its gradient need; all are linear in X."""

    X: Tensor
    T: Tensor
    M1_T: Tensor
    M2_T: Tensor

    def moved(self, length: float, step: Point) -> Point:
        """The point at X + length times the step's X, without another product."""
        return Point(
            self.X + length * step.X,
            self.T + length * step.T,
            self.M1_T + length * step.M1_T,
            self.M2_T + length * step.M2_T,
        )


@dataclass(frozen=True)
class Quartic:
    """f for moments ``[K, K]``; for the parts, in a spatial basis ``[S, K]``."""

    M1: Tensor
    M2: Tensor
    basis: Tensor | None = None

    def __call__(self, X: Tensor) -> float:
        """The value f(X)."""
        at = self.at(X)
        return float(-2 * (at.T * at.M1_T).sum() + ((X.T @ X) * (at.T.T @ at.M2_T)).sum())

    def at(self, X: Tensor) -> Point:
        """The products for X."""
        T = X if self.basis is None else (X.T @ self.basis).T
        return Point(X, T, self.M1 @ T, self.M2 @ T)

    def gradient(self, at: Point) -> Tensor:
        """The gradient of f, of the shape of X."""
        inner = at.M2_T @ (2 * at.X.T @ at.X) - 4 * at.M1_T
        outer = inner if self.basis is None else (inner.T @ self.basis.T).T
        return outer.add_(at.X @ (at.T.T @ at.M2_T), alpha=2)

    def along(self, at: Point, step: Point) -> Polynomial:
        """How f differs from its value here at X + a D: a polynomial in a."""
        square = at.X.T @ at.X, at.X.T @ step.X, step.X.T @ step.X
        moment = at.T.T @ at.M2_T, at.T.T @ step.M2_T, step.T.T @ step.M2_T
        s0, s1, s2 = square[0], square[1] + square[1].T, square[2]
        w0, w1, w2 = moment[0], moment[1] + moment[1].T, moment[2]
        linear = (s0 * w1 + s1 * w0).sum() - 4 * (step.T * at.M1_T).sum()
        second = (s0 * w2 + s1 * w1 + s2 * w0).sum() - 2 * (step.T * step.M1_T).sum()
        coefficients = 0, linear, second, (s1 * w2 + s2 * w1).sum(), (s2 * w2).sum()
        return Polynomial([float(coefficient) for coefficient in coefficients])


def descend_parts(quartic: Quartic, start: Tensor) -> Tensor:
    """Minimize f from ``start`` under X >= 0; the result is never above the start.

    Spectral projected gradient (Birgin, Martinez and Raydan 2000): the gradient, scaled for each
    part by its curvature, times a length of Barzilai and Borwein, is cut off at zero; the step goes
    to the lowest point on the way there.
    """
    start = start.T.contiguous().T  # parts as rows in memory: long products run twice as fast
    at, length, before = quartic.at(start), 0.25, None
    with _one_thread():
        for iteration in range(ITERATIONS):
            gradient = quartic.gradient(at)
            scale = (at.T * at.M2_T).sum(0).clamp_min(1e-12)
            if before is not None:
                length = _spectral(at.X - before[0].X, gradient - before[1], scale, iteration % 2)
            step = quartic.at((at.X - length * gradient / scale).clamp_min_(0).sub_(at.X))
            before = at, gradient
            part, gain = _lowest(quartic.along(at, step), 1.0)
            if gain > 0:
                at = at.moved(part, step)
            if not gain > TOLERANCE:
                break
    return at.X.clamp_min(0)


def descend_appearances(quartic: Quartic, start: Tensor) -> Tensor:
    """Minimize f from ``start``, X free: conjugate gradients (Polak and Ribiere, restarted)."""
    at, direction = quartic.at(start), torch.zeros_like(start)
    before = torch.ones_like(start)
    with _one_thread():
        for _ in range(ITERATIONS):
            gradient = quartic.gradient(at)
            turn = float((gradient * (gradient - before)).sum() / before.square().sum())
            direction = max(0.0, turn) * direction - gradient
            if float((direction * gradient).sum()) >= 0:
                direction = -gradient
            before = gradient
            step = quartic.at(direction)
            part, gain = _lowest(quartic.along(at, step))
            if gain > 0:
                at = at.moved(part, step)
            if not gain > TOLERANCE:
                break
    return at.X


def _spectral(step: Tensor, change: Tensor, scale: Tensor, long: int) -> float:
    """The two lengths of Barzilai and Borwein, which callers take in turn."""
    curvature = float((step * change).sum())
    if curvature <= 0:
        return 1.0
    if long:
        return float((step.square() * scale).sum()) / curvature
    return curvature / float((change.square() / scale).sum())


def _lowest(f: Polynomial, limit: float = float("inf")) -> tuple[float, float]:
    """Where in (0, limit] the polynomial is lowest, and by how much it is below zero there."""
    if not bool(np.isfinite(f.coef).all()):
        return 0.0, 0.0
    roots = np.asarray(f.deriv().trim().roots(), dtype=complex).tolist()
    turns = [root.real for root in roots if abs(root.imag) < 1e-9 * abs(root)]
    places = [place for place in (*turns, limit) if 0 < place <= limit and place < float("inf")]
    where = min(places, key=lambda place: float(f(place)), default=0.0)
    return where, -float(f(where))

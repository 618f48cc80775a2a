"""The one subproblem of every solver: a quartic in one factor while the other one is fixed.

    f(X) = -2 tr(T^T M1 T) + tr((X^T X)(T^T M2 T)),  T = Q^T X

with X the parts (X >= 0, moments given in a spatial basis Q) or the appearances (free, no basis).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from scipy.optimize import minimize
from torch import Tensor

ITERATIONS = 60


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


def quartic(m1: Tensor, m2: Tensor, X: Tensor, basis: Tensor | None = None) -> float:
    """The value f(X)."""
    T = X if basis is None else basis.T @ X
    return float(-2 * (T * (m1 @ T)).sum() + ((X.T @ X) * (T.T @ m2 @ T)).sum())


def minimize_quartic(m1: Tensor, m2: Tensor, start: Tensor, basis: Tensor | None = None) -> Tensor:
    """Minimize f from ``start``, under X >= 0 where a basis is given; never ends above the start.

    All float64 on the CPU; limited-memory BFGS, bounded where X is.
    """

    def value_and_gradient(flat: object) -> tuple[float, object]:
        X = torch.as_tensor(flat).view_as(start)
        T = X if basis is None else basis.T @ X
        m1_T, m2_T = m1 @ T, m2 @ T
        square, moment = X.T @ X, T.T @ m2_T
        value = -2 * (T * m1_T).sum() + (square * moment).sum()
        gradient = m2_T @ (2 * square) - 4 * m1_T
        gradient = gradient if basis is None else basis @ gradient
        return float(value), gradient.add_(X @ moment, alpha=2).flatten().numpy()

    with _one_thread():
        result = minimize(
            value_and_gradient,
            start.flatten().numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=None if basis is None else [(0, None)] * start.numel(),
            options={"maxiter": ITERATIONS, "maxcor": 10, "ftol": 1e-8, "gtol": 1e-9},
        )
    found = torch.from_numpy(result.x).view_as(start)
    return found if quartic(m1, m2, found, basis) <= quartic(m1, m2, start, basis) else start

"""The released update rule, exactly: alternating projected gradient steps with a learning rate.

It gives the numbers of ``Model.decompose`` and ``Model.refine`` of the released code, but
multiplies through the thin factors: 0.36 GMAC a step where the released order takes 51 (C 512,
64 x 64, R_S 8).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError


def initial_factors(scatter: Tensor, positions: int, ranks: tuple[int, int]) -> tuple[Tensor, ...]:
    """Return the released start: A from an SVD, P uniform in [0, 0.01] from seed 0.

    Args:
        scatter: The sum of Z Z^T over the samples, ``[C, C]``.
        positions: S.
        ranks: (R_C, R_S).

    Returns:
        A ``[C, R_C]`` and P ``[S, R_S]``.
    """
    appearances, parts = ranks
    A = torch.linalg.svd(scatter)[0][:, :appearances]
    P = np.random.RandomState(0).uniform(0, 0.01, (positions, parts)).astype(np.float32)
    return A, torch.from_numpy(P).to(A)


def parts_gradient(A: Tensor, P: Tensor, Z: Tensor) -> Tensor:
    """Return the gradient ``[S, R_S]`` of the loss in P, summed over the batch Z ``[B, C, S]``."""
    GY = A @ (A.T @ (Z @ P))
    back = (Z.mT @ GY).sum(0)
    back2 = (Z.mT @ (A @ (A.T @ GY))).sum(0)
    return -4 * back + 2 * (P @ (P.T @ back2) + back2 @ (P.T @ P))


def appearances_gradient(A: Tensor, P: Tensor, Z: Tensor) -> Tensor:
    """Return the gradient ``[C, R_C]`` of the loss in A, summed over the batch Z ``[B, C, S]``."""
    Y = Z @ P
    rows = Y.movedim(1, 0).flatten(1)
    rows2 = (Y @ (P.T @ P)).movedim(1, 0).flatten(1)
    coordinates, coordinates2 = A.T @ rows, A.T @ rows2
    first = (2 * (A @ coordinates2) - 4 * rows) @ coordinates.T
    return first + 2 * rows2 @ (A.T @ (A @ coordinates)).T


def decompose(
    A: Tensor, P: Tensor, batches: Iterable[Tensor], learning_rate: float
) -> tuple[Tensor, Tensor]:
    """Take one step for each batch ``[B, C, S]``: first in P, then in A with the new P.

    Args:
        A: Appearances ``[C, R_C]`` to start from.
        P: Parts ``[S, R_S]`` to start from.
        batches: Batches ``[B, C, S]``.
        learning_rate: The length of the steps.

    Returns:
        The new A and P.

    Raises:
        PandaError: Where the learning rate is too large for these features.
    """
    for step, Z in enumerate(batches, 1):
        P = (P - learning_rate * parts_gradient(A, P, Z)).clamp_min(0)
        A = A - learning_rate * appearances_gradient(A, P, Z)
        if step % 100 == 0:
            check(A, P, learning_rate, step)
    check(A, P, learning_rate)
    return A, P


def refine_by_gradient(A: Tensor, P: Tensor, Z: Tensor, learning_rate: float, steps: int) -> Tensor:
    """Run the released refinement: steps in P alone on one sample Z ``[1, C, S]``.

    Returns:
        The sample's parts ``[S, R_S]``.

    Raises:
        PandaError: Where the learning rate is too large for this sample.
    """
    for _ in range(steps):
        P = (P - learning_rate * parts_gradient(A, P, Z)).clamp_min(0)
    check(A, P, learning_rate)
    return P


def check(A: Tensor, P: Tensor, learning_rate: float, step: int | None = None) -> None:
    """Raise `PandaError` for factors that diverged, or a part that fell to zero for good."""
    when = f" by step {step}" if step else ""
    if not bool(torch.isfinite(A).all() and torch.isfinite(P).all()):
        raise PandaError(
            f"the paper rule diverged{when}: learning rate {learning_rate:g} is too large for this"
            f" layer, try {learning_rate / 10:g}, or the joint solver, which needs none"
        )
    empty = int((P == 0).all(0).sum())
    if empty:
        raise PandaError(
            f"{empty} of {P.shape[1]} parts fell to all zero{when}, from where the paper rule never"
            f" returns: learning rate {learning_rate:g} is too large, try {learning_rate / 10:g}"
        )

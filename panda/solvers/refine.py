"""Refinement: the parts of single samples, started at the global parts, A held fixed.

Every sample is its own bounded quartic in P. All are solved at once by projected gradient steps
with Barzilai-Borwein lengths, each sample with a step of its own that is halved until it descends.
"""

from __future__ import annotations

import torch
from torch import Tensor

ITERATIONS = 200
TOLERANCE = 1e-6
"""A sample is done when a step lowers its loss by less than this fraction of its energy."""


def refine_parts(A: Tensor, P: Tensor, Z: Tensor) -> Tensor:
    """Return parts ``[B, S, R_S]`` for samples ``[B, C, S]``; no loss ends above the global parts'.

    Paper, section 3.3; the released rule with its learning rate is `panda.solvers.paper.refine`.
    """
    energy = Z.square().sum((1, 2), keepdim=True).clamp_min(torch.finfo(Z.dtype).tiny)
    W = (A.T @ Z) / energy.sqrt()
    gram = A.T @ A

    def evaluate(X: Tensor) -> tuple[Tensor, Tensor]:
        """The loss (less a constant) and its gradient for every sample."""
        T = W @ X
        GT = gram @ T
        square, moment = X.mT @ X, T.mT @ GT
        value = -2 * T.square().sum((1, 2)) + (square * moment).sum((1, 2))
        gradient = W.mT @ (GT @ (2 * square) - 4 * T) + 2 * (X @ moment)
        return value[:, None, None], gradient

    X = P.expand(len(Z), *P.shape).clone()
    value, gradient = evaluate(X)
    length = 0.1 * X.norm(dim=(1, 2), keepdim=True) / gradient.norm(dim=(1, 2), keepdim=True)
    active = torch.ones_like(value, dtype=torch.bool)
    for _ in range(ITERATIONS):
        trial = (X - length * gradient).clamp_min(0)
        trial_value, trial_gradient = evaluate(trial)
        better = active & (trial_value < value)
        step, change = trial - X, trial_gradient - gradient
        curvature = (step * change).sum((1, 2), keepdim=True)
        spectral = step.square().sum((1, 2), keepdim=True) / curvature
        spectral = torch.where((curvature > 0) & spectral.isfinite(), spectral, 2 * length)
        stalled = better & (value - trial_value < TOLERANCE)
        X = torch.where(better, trial, X)
        gradient = torch.where(better, trial_gradient, gradient)
        value = torch.where(better, trial_value, value)
        length = torch.where(better, spectral, 0.5 * length)
        active = active & ~stalled & (length > 0)
        if not bool(active.any()):
            break
    return X

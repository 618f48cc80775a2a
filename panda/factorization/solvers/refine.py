"""Refinement: the parts of single samples, started at the global parts, A held fixed.

Every sample is a bounded quartic in P of its own (`quartic`); all are solved together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panda.factorization.linear_algebra import range_finder
from panda.factorization.solvers.quartic import Quartic, descend_parts

STEPS = 1e-6, 200
"""A sample is done when a few steps lower its loss by less than this fraction of its energy, or
after this many steps."""

COMPONENTS = 4
"""The spatial components of a sample in which its parts are refined, for each part."""

BLOCK = 2**23
"""Bytes of parts that are solved together on a CPU: they fit into its caches."""


def refine_parts(A: Tensor, P: Tensor, Z: Tensor) -> Tensor:
    """Return the parts of single samples (paper, section 3.3).

    The released rule with its learning rate is `solvers.paper.refine_by_gradient`.

    Args:
        A: Appearances ``[C, R_C]``, which stay as they are.
        P: The global parts ``[S, R_S]``, from which each sample starts.
        Z: Samples ``[B, C, S]``.

    Returns:
        Parts ``[B, S, R_S]``; no sample's loss is above that of the global parts.
    """
    size = max(1, BLOCK // P.nbytes) if Z.is_cpu else len(Z)
    return torch.cat([_refine(A, P, z) for z in torch.split(Z, size)])


def _refine(A: Tensor, P: Tensor, Z: Tensor) -> Tensor:
    """Refine one block of samples ``[B, C, S]``."""
    energy = Z.square().sum((1, 2), keepdim=True).clamp_min(torch.finfo(Z.dtype).tiny)
    W = (A.T @ Z) / energy.sqrt()
    gram = A.T @ A
    rank = min(COMPONENTS * P.shape[1], *W.shape[1:])
    basis = range_finder(W, rank, powers=1, orthonormalize=False)
    projected = W @ basis
    quartic = Quartic(projected.mT @ projected, projected.mT @ (gram @ projected), basis)
    refined = descend_parts(quartic, P.expand(len(Z), *P.shape), *STEPS)

    def loss(X: Tensor) -> Tensor:
        T = W @ X
        fourth = (X.mT @ X) * (T.mT @ (gram @ T))
        return fourth.sum((1, 2)) - 2 * T.square().sum((1, 2))

    return torch.where((loss(refined) < loss(P))[:, None, None], refined, P)

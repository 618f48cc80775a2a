"""Refinement: the parts of single samples, started at the global parts, A held fixed.

Every sample is its own bounded quartic in P, as in `quartic`; all are solved at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panda.factorization.solvers.quartic import Quartic, descend_parts

STEPS = 1e-6, 200
"""A sample is done when a few steps lower its loss by less than this fraction of its energy, or
after so many."""

COMPONENTS = 4
"""For each part: spatial components of a sample that its parts are looked for in."""

BLOCK = 2**23
"""Bytes of parts that are solved together on a CPU: all of them stay in its caches."""


def refine_parts(A: Tensor, P: Tensor, Z: Tensor) -> Tensor:
    """Return parts ``[B, S, R_S]`` for samples ``[B, C, S]``; no loss ends above the global parts'.

    Paper, section 3.3; the released rule with its learning rate is `solvers.paper.refine`.
    """
    size = max(1, BLOCK // P.nbytes) if Z.is_cpu else len(Z)
    return torch.cat([_refine(A, P, z) for z in torch.split(Z, size)])


def _refine(A: Tensor, P: Tensor, Z: Tensor) -> Tensor:
    energy = Z.square().sum((1, 2), keepdim=True).clamp_min(torch.finfo(Z.dtype).tiny)
    W = (A.T @ Z) / energy.sqrt()
    gram = A.T @ A
    basis = _leading(W, COMPONENTS * P.shape[1])
    seen = W @ basis
    quartic = Quartic(seen.mT @ seen, seen.mT @ (gram @ seen), basis)
    refined = descend_parts(quartic, P.expand(len(Z), *P.shape), *STEPS)

    def loss(X: Tensor) -> Tensor:
        T = W @ X
        fourth = (X.mT @ X) * (T.mT @ (gram @ T))
        return fourth.sum((1, 2)) - 2 * T.square().sum((1, 2))

    return torch.where((loss(refined) < loss(P))[:, None, None], refined, P)


def _leading(W: Tensor, components: int) -> Tensor:
    """About the leading right singular vectors ``[B, S, K]`` of each ``[R_C, S]`` matrix.

    A randomized range finder with one power iteration (Halko, Martinsson and Tropp 2011).
    """
    rank = min(components, *W.shape[1:])
    source = torch.Generator().manual_seed(0)
    mixing = torch.randn(W.shape[1], rank, generator=source).to(W)
    basis: Tensor = torch.linalg.qr(W.mT @ (W @ (W.mT @ mixing)))[0]
    return basis

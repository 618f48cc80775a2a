"""Refinement: the parts of single samples, from those of all samples (paper, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.editing.natural import stop
from panda.factorization.artifacts import without_artifacts
from panda.factorization.factors import Factors
from panda.factorization.solvers.refine import refine_parts
from panda.generators.contract import Generator, Latents


def refine_images(generator: Generator, factors: Factors, latents: Latents) -> Tensor:
    """Return parts ``[N, S, R_S]`` fitted to each of the samples (paper, section 3.3).

    `Factors.as_masks` makes masks ``[N, R_S, H, W]`` in [0, 1] of them.

    Args:
        generator: The generator that the factors are of.
        factors: Where the parts start, and the appearances that stay.
        latents: Samples of this generator.

    Raises:
        PandaError: Where the factors are not of this generator.
    """
    return refine(factors, stop(generator, factors, latents).x)


def refine(factors: Factors, features: Tensor) -> Tensor:
    """Return parts ``[N, S, R_S]`` fitted to features ``[N, C, H, W]`` (paper, section 3.3).

    A part that a sample does not have keeps its global form. Where parts were found without
    artifacts (`panda.factorization.artifacts`), they are refined without them too, in features of
    equal norm at every position.
    """
    clean = bool(factors.border)  # as the parts themselves were found
    return refine_from(factors.appearances, factors.parts, features, clean=clean)


def refine_from(A: Tensor, P: Tensor, features: Tensor, *, clean: bool = False) -> Tensor:
    """Return parts ``[N, S, R_S]`` fitted to features ``[N, C, H, W]``; see `refine`.

    Args:
        A: Appearances ``[C, R_C]``.
        P: The global parts ``[S, R_S]``.
        features: The samples.
        clean: Whether to see them without artifacts, and of equal norm at every position.
    """
    A, P = (factor.to(features.device) for factor in (A, P))
    seen = features.to(P)
    if clean:
        seen = without_artifacts(seen.flatten(0, 1)).view_as(seen)
        seen = seen / seen.norm(dim=1, keepdim=True).clamp_min(1e-30)
    parts = refine_parts(A, P, seen.flatten(2))
    empty = torch.nonzero((parts.amax(1) <= 0).cpu())
    for sample, part in empty.tolist():
        parts[sample, :, part] = P[:, part]
    return parts

"""Refinement: the parts of single samples, from those of all samples (paper, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.editing.natural import stop
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

    A part that a sample does not have keeps its global form.
    """
    on = factors.to(features.device)
    parts = refine_parts(on.appearances, on.parts, features.flatten(2).to(on.parts))
    empty = torch.nonzero((parts.amax(1) <= 0).cpu())
    for sample, part in empty.tolist():
        parts[sample, :, part] = on.parts[:, part]
    return parts

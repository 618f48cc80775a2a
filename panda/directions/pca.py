"""Principal axes of w, from any number of samples in constant memory."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.factorization.linear_algebra import eigenvectors, fix_signs
from panda.generators.latent_spaces import WSpace
from panda.progress import bar

BATCH = 5000


def principal_axes(space: WSpace, samples: int) -> tuple[Tensor, Tensor]:
    """Return the principal axes of w over the samples of seeds 0, 1, ...

    They are the eigenvectors of the exact covariance, summed in float64.

    Args:
        space: The generator, with its mapping from z to w.
        samples: The number of samples.

    Returns:
        Axes ``[D, D]`` (unit rows, the one with the largest variance first) and the standard
        deviation along each, ``[D]``.
    """
    size = len(space.w_mean)
    total, square = torch.zeros(size, dtype=torch.float64), torch.zeros(size, size).double()
    with bar(total=samples, desc="map", unit="w") as progress:
        for start in range(0, samples, BATCH):
            seeds = range(start, min(start + BATCH, samples))
            w = space.w_plus(space.sample(seeds, truncation=1.0))[:, 0].double().cpu()
            total += w.sum(0)
            square += w.T @ w
            progress.update(len(seeds))
    mean = total / samples
    values, vectors = eigenvectors(square / samples - torch.outer(mean, mean))
    return fix_signs(vectors.T).float(), values.clamp_min(0).sqrt().float()

"""Principal axes of w, from as many samples as one likes in constant memory."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.generators.latent_spaces import WSpace
from panda.progress import bar

BATCH = 5000


def principal_axes(space: WSpace, samples: int) -> tuple[Tensor, Tensor]:
    """Axes ``[D, D]`` (rows, largest first) and standard deviations ``[D]`` of w.

    Seeds are 0, 1, ... Exact: the eigenvectors of the covariance, summed in float64.
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
    values, vectors = torch.linalg.eigh(square / samples - torch.outer(mean, mean))
    return signed(vectors.flip(1).T).float(), values.flip(0).clamp_min(0).sqrt().float()


def signed(rows: Tensor) -> Tensor:
    """Each row with the sign that makes its largest entry positive: the same on every machine."""
    return rows * rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()

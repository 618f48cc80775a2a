"""Codes: the latents from which a generator should reconstruct each training face.

MobileStyleGAN generated each face of the training set from a w that the face's seed determines. A
face's code consists of the leading principal coordinates of its w, scaled to unit variance, so the
codes are distributed like normal z. In pretraining a student learns to draw the face of each code;
every other normal z then gives another person.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panda.factorization.linear_algebra import fix_signs
from panda.progress import bar

from .data import FIRST_SEED, SHARD, sample_latents, source_generator

AXES_SAMPLES = 40_000
"""The axes are computed from so many w, whatever the number of faces, so each code stays fixed."""


def load_codes(split: str, count: int) -> Tensor:
    """Return the codes ``[count, 512]`` of the first faces of a split, leading coordinates first.

    The axes are computed from at least `AXES_SAMPLES` samples.
    """
    generator = source_generator()
    first = FIRST_SEED[split]
    starts = range(first, first + max(count, AXES_SAMPLES), SHARD)
    w = torch.cat(
        [
            sample_latents(generator, range(start, start + SHARD)).tensors["w"]
            for start in bar(starts, desc=f"{split} codes", unit="shard")
        ]
    )
    return principal_coordinates(w)[:count]


def principal_coordinates(w: Tensor) -> Tensor:
    """Return the principal coordinates ``[N, D]`` of rows ``[N, D]``, leading first.

    Each coordinate has unit variance.
    """
    centered = (w - w.mean(0)).double()
    values, axes = torch.linalg.eigh(centered.T @ centered / len(w))
    axes = fix_signs(axes, dim=0)
    return (centered @ axes / values.sqrt()).flip(1).float()

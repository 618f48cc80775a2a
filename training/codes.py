"""Codes: the latents that a generator should give each training face, to learn by example.

Each face of the training set was made by MobileStyleGAN from a w that its seed tells. The leading
principal coordinates of these w, of unit variance, are what a normal z looks like: as a student's z
they say which face is wanted, and every other normal z is another person.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panda.factorization.linear_algebra import fix_signs
from panda.progress import bar

from .data import FIRST_SEED, SHARD, draw, source

DRAWN = 40_000
"""The axes are those of so many w, however many faces there are: a face keeps its code."""


def load_codes(split: str, count: int) -> Tensor:
    """Codes ``[count, 512]`` of the first faces of a split, the leading ones first."""
    generator = source()
    first = FIRST_SEED[split]
    starts = range(first, first + max(count, DRAWN), SHARD)
    w = torch.cat(
        [
            draw(generator, range(start, start + SHARD)).tensors["w"]
            for start in bar(starts, desc=f"{split} codes", unit="shard")
        ]
    )
    return principal(w)[:count]


def principal(w: Tensor) -> Tensor:
    """Principal coordinates ``[N, D]`` of rows ``[N, D]``, each of variance one, leading first."""
    centered = (w - w.mean(0)).double()
    values, axes = torch.linalg.eigh(centered.T @ centered / len(w))
    axes = fix_signs(axes, dim=0)
    return (centered @ axes / values.sqrt()).flip(1).float()

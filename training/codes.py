"""Codes: the latents that a generator should give each training face, to learn by example.

Each face of the training set was made by MobileStyleGAN from a w that its seed tells. The leading
principal coordinates of these w, of unit variance, are what a normal z looks like: as a student's z
they say which face is wanted, and every other normal z is another person.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from panda.progress import bar
from panda.zoo.cache import staging

from .data import FIRST_SEED, SHARD, draw, shards, source


def load_codes(split: str, count: int) -> Tensor:
    """Codes ``[count, 512]`` of the first faces of a split, the leading ones first."""
    _build(split)
    paths = [path.with_suffix(".w") for path in shards(split)]
    w = torch.from_numpy(np.concatenate([np.load(path, allow_pickle=False) for path in paths]))
    centered = (w - w.mean(0)).double()
    values, axes = torch.linalg.eigh(centered.T @ centered / len(w))
    return (centered @ axes / values.sqrt()).flip(1)[:count].float()


def _build(split: str) -> None:
    """Write the w of every shard of a split that has none yet."""
    missing = [path for path in shards(split) if not path.with_suffix(".w").exists()]
    if not missing:
        return
    generator = source()
    for path in bar(missing, desc=f"{split} codes", unit="shard"):
        first = FIRST_SEED[split] + int(path.stem[-4:]) * SHARD
        w = draw(generator, range(first, first + SHARD)).tensors["w"]
        with staging(path.with_suffix(".w")) as work, work.open("wb") as file:
            np.save(file, w.numpy())

"""Lessons: the linear map from latent codes to blurred faces, where every generator starts.

Each face of the training set was made by MobileStyleGAN from a w that its seed tells. The leading
principal coordinates of these w, of unit variance, are what a normal z looks like, and ridge
regression from them to the faces gives a blurred but whole face for any z. A generator that has
learned this map has nothing left to find but detail, and a reason to make each z another person:
small adversarial runs fail at the one and at the other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda import create_generator
from panda.progress import bar
from panda.zoo.cache import staging

from .data import FIRST_SEED, SHARD, SOURCE, draw, shards

RIDGE = 30.0


class Lessons(nn.Module):
    """Codes ``[N, D]`` to blurred faces ``[N, 3, 64, 64]`` in about [-1, 1], fitted once."""

    weight: Tensor
    bias: Tensor

    def __init__(self, codes: Tensor, faces: Tensor) -> None:
        """Fit the map to codes ``[N, D]`` and uint8 faces ``[N, 3, R, R]``."""
        super().__init__()
        targets = (faces.float() / 127.5 - 1).flatten(1)
        gram = codes.T @ codes + RIDGE * torch.eye(codes.shape[1])
        self.shape = faces.shape[1:]
        self.register_buffer("bias", targets.mean(0))
        self.register_buffer("weight", torch.linalg.solve(gram, codes.T @ (targets - self.bias)))

    def forward(self, codes: Tensor) -> Tensor:
        """The faces of some codes."""
        return (codes @ self.weight + self.bias).unflatten(1, self.shape)

    def whole(self, images: Tensor, codes: Tensor) -> Tensor:
        """The mean squared difference, in pixels and in squares of 4 and of 16."""
        off = images - self(codes)
        return torch.stack([F.avg_pool2d(off, k).square().mean() for k in (1, 4, 16)]).sum()

    def coarse(self, images: Tensor, codes: Tensor) -> Tensor:
        """The mean squared difference in squares of 8 pixels."""
        return F.avg_pool2d(images - self(codes), 8).square().mean()


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
    generator = create_generator(SOURCE)
    for path in bar(missing, desc=f"{split} codes", unit="shard"):
        first = FIRST_SEED[split] + int(path.stem[-4:]) * SHARD
        w = torch.cat([draw(generator, seed).tensors["w"] for seed in range(first, first + SHARD)])
        with staging(path.with_suffix(".w")) as work, work.open("wb") as file:
            np.save(file, w.numpy())

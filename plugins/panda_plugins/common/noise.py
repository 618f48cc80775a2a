"""The per-pixel noise of StyleGAN and StyleGAN2: stored, drawn from the seeds, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError, nearest

KINDS = ("const", "random", "none")
"""The stored noise maps, maps drawn from the seeds, no noise."""


@dataclass(frozen=True)
class Noise:
    """The noise that a generator adds to its features.

    Random maps of sample i depend on ``seeds[i]`` and the layer alone, so a resumed pass adds the
    same noise as the whole network.

    Attributes:
        kind: One of `KINDS`; another one raises `PandaError`.
        seeds: The seed of each sample.
    """

    kind: str
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PandaError(f"there is no noise {self.kind!r}{nearest(self.kind, KINDS)}")

    def draw(self, layer: int, stored: Tensor) -> Tensor | None:
        """Return noise ``[1 or N, 1, H, W]`` for a layer whose stored map is ``[..., H, W]``."""
        if self.kind == "none":
            return None
        height, width = stored.shape[-2:]
        if self.kind == "const":
            return stored.view(1, 1, height, width)
        maps = [
            np.random.default_rng((seed, layer)).standard_normal((1, height, width), np.float32)
            for seed in self.seeds
        ]
        return torch.from_numpy(np.stack(maps)).to(stored)

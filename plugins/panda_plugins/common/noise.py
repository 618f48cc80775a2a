"""The per-pixel noise of StyleGAN 1 and 2: stored, drawn from the seeds, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError, nearest

KINDS = ("const", "random", "none")


@dataclass(frozen=True)
class Noise:
    """Which noise a generator adds: ``const`` (the stored maps), ``random`` or ``none``.

    Random maps of sample i depend on ``seeds[i]`` and the layer alone, so that a resumed state
    sees the same noise as the whole network.
    """

    kind: str
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PandaError(f"there is no noise {self.kind!r}{nearest(self.kind, KINDS)}")

    def draw(self, layer: int, stored: Tensor) -> Tensor | None:
        """Noise ``[1 or N, 1, H, W]`` for a layer whose stored map is ``[..., H, W]``."""
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

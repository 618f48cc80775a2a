"""The latents of every StyleGAN: z is mapped to w, and each layer takes its row of w+."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from panda.generators.contract import Latents
from panda.generators.latent_spaces import WSpace
from panda.generators.seeds import seeded_normal

from .latents import check_labels, one_hot, truncate


class MappedGenerator(WSpace):
    """A generator with latents ``z`` ``[N, z_dim]`` and truncated ``w`` ``[N, num_ws, w_dim]``.

    Images depend on ``w`` alone: ``Latents(seeds, {"w": w})`` synthesizes from any w+.
    """

    network: Any
    """Has a ``config`` with ``z_dim``, ``classes`` and ``num_ws``, and a ``mapping``."""

    cutoff: int | None = None
    """How many of the first entries of w+ are truncated; None truncates all."""

    @property
    def w_mean(self) -> Tensor:
        """See `WSpace.w_mean`."""
        mean: Tensor = self.network.mapping.w_avg
        return mean

    @property
    def slots(self) -> tuple[str, ...]:
        """See `WSpace.slots`."""
        return (*self.layers, "image")[: self.network.config.num_ws]

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; a conditional generator draws a missing label from the seed."""
        config, mean = self.network.config, self.w_mean
        z = torch.from_numpy(seeded_normal(seeds, config.z_dim)).to(mean)
        hot = one_hot(self.name, config.classes, seeds, label, mean)
        tensors = {"z": z, "w": self.truncate(self.map(z, hot), truncation)}
        labels = None if hot is None else tuple(hot.argmax(1).tolist())
        return Latents(tuple(seeds), tensors, labels=labels)

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """See `WSpace.map`; raises `PandaError` unless labels are ``[N, classes]``."""
        check_labels(self.name, self.network.config.classes, label)
        w: Tensor = self.network.mapping(z, label)
        return w

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Repeat w ``[N, w_dim]`` to w+ ``[N, num_ws, w_dim]``, truncated up to `cutoff`."""
        return truncate(w, self.w_mean, truncation, self.network.config.num_ws, self.cutoff)

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)

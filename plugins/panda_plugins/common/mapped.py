"""What every StyleGAN has in common: z is mapped to w, and each layer takes a w of its own."""

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
    """Latents are ``z`` ``[N, z_dim]`` and ``w`` ``[N, num_ws, w_dim]``, truncated.

    Only ``w`` is read when images are made: ``Latents(seeds, {"w": w})`` synthesizes from any W+.
    """

    network: Any
    """Has a ``config`` with ``z_dim``, ``classes`` and ``num_ws``, and a ``mapping``."""

    cutoff: int | None = None
    """How many of the first entries of w truncation moves; None is all of them."""

    @property
    def w_mean(self) -> Tensor:
        """The mean of w, ``[w_dim]``."""
        mean: Tensor = self.network.mapping.w_avg
        return mean

    @property
    def slots(self) -> tuple[str, ...]:
        """See `WSpace.slots`."""
        return (*self.layers, "image")[: self.network.config.num_ws]

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`. Without a label, a conditional generator draws it by the seed."""
        config, mean = self.network.config, self.w_mean
        z = torch.from_numpy(seeded_normal(seeds, config.z_dim)).to(mean)
        w = self.map(z, one_hot(self.name, config.classes, seeds, label, mean))
        return Latents(tuple(seeds), {"z": z, "w": self.truncate(w, truncation)})

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map z ``[N, z_dim]`` and one-hot labels ``[N, classes]`` to w ``[N, w_dim]``.

        Raises `PandaError` where labels are missing, or given and not known.
        """
        check_labels(self.name, self.network.config.classes, label)
        w: Tensor = self.network.mapping(z, label)
        return w

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Give every layer its w ``[N, num_ws, w_dim]``, moved towards the mean up to `cutoff`."""
        return truncate(w, self.w_mean, truncation, self.network.config.num_ws, self.cutoff)

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)

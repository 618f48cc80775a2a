"""Samples that a search may start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.generators.contract import Generator, Latents
from panda.generators.labels import Label
from panda.inversion.objective import Objective, comparable
from panda.progress import bar


@dataclass(frozen=True, eq=False)
class Candidates:
    """Samples, and their images at the size that is compared.

    Attributes:
        latents: The samples.
        images: ``[N, channels, H, W]``.
        deviation: Of the channels of the searched layer, over samples and positions,
            ``[1, C, 1, 1]``; None without a layer.
    """

    latents: Latents
    images: Tensor
    deviation: Tensor | None

    @staticmethod
    @torch.no_grad()
    def of(
        generator: Generator, seeds: Sequence[int], label: Label | None, layer: str | None
    ) -> Candidates:
        """Draw samples; with a layer, they stop there on their way."""
        latents = generator.sample(seeds, truncation=generator.usual_truncation, label=label)
        images, features = [], []
        for row in bar(range(len(latents)), desc="start", unit="img"):
            one = latents[row : row + 1]
            if layer is None:
                images.append(comparable(generator.forward(one)))
                continue
            state = generator.head(one, layer)
            features.append(state.x.float())
            images.append(comparable(generator.tail(state, layer)))
        deviation = torch.cat(features).std((0, 2, 3), keepdim=True) if features else None
        return Candidates(latents, torch.cat(images), deviation)

    def nearest(self, objective: Objective) -> Latents:
        """Return the sample whose image has the least error."""
        with torch.no_grad():
            row = int(objective(self.images).total.argmin())
        return self.latents[row : row + 1]

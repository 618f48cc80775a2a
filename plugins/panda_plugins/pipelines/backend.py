"""A pipeline of diffusers as a `Generator`: stopped and resumed at each place of each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from panda.generators.contract import Generator, Latents
from panda.generators.labels import Label, Names
from panda.generators.places import Place
from panda.generators.seeds import seeded_normal
from panda.generators.torch_module import TorchModule

from ..common.latents import refuse_label


class Conditions(Protocol):
    """What a pipeline takes beside noise."""

    @property
    def labels(self) -> Names:
        """See `Generator.labels`."""

    def draw(self, name: str, seeds: Sequence[int], label: Label | None) -> dict[str, Tensor]:
        """Return tensors with a row for each seed, by name; raises `PandaError` for no label."""


class Pipeline(TorchModule):
    """A pipeline, with latents ``z`` ``[N, C, H, W]``: the noise it starts from, and conditions.

    Args:
        module: The `Denoiser`, or the `Decoder` alone.
        places: Where its layers are.
        latent: The shape of one latent.
        conditions: The classes or texts that it takes; None for none.
        fixed_noise: Whether its steps draw noise, which is that of each sample's seed then.
        device: Where it runs.
        dtype: The type of its numbers.
    """

    def __init__(
        self,
        module: nn.Module,
        places: Mapping[str, Place],
        latent: Sequence[int],
        *,
        conditions: Conditions | None = None,
        fixed_noise: bool = False,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.conditions = conditions
        self.labels = conditions.labels if conditions else ()
        super().__init__(
            module,
            places,
            latent=latent,
            draw=lambda seeds: torch.from_numpy(seeded_normal(seeds, *latent)),
            inputs=dict,
            fixed_noise=fixed_noise,
            device=device,
            dtype=dtype,
        )

    @property
    def digest(self) -> str:
        """See `Generator.digest`: that of the folder, whose configs count as well."""
        return Generator.digest.fget(self)  # type: ignore[attr-defined, no-any-return]

    def sample(self, seeds: Any, *, truncation: Any = None, label: Any = None) -> Latents:
        """See `Generator.sample`; there is no truncation.

        Raises:
            PandaError: For a label that it does not take.
        """
        latents = super().sample(seeds, truncation=truncation)
        if self.conditions is None:
            refuse_label(self.name, label)
            return latents
        given = self.conditions.draw(self.name, seeds, label)
        tensors = {name: rows.to(self.device) for name, rows in given.items()}
        return Latents(tuple(seeds), {**latents.tensors, **tensors})

"""BigGAN and BigGAN-deep as a `Generator`: class-conditional and truncated."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from panda.generators.contract import Latents, State
from panda.generators.latent_spaces import ZSpace
from panda.generators.seeds import random_states, seeded_normal
from panda.shapes import as_size

from ..common.latents import one_hot
from . import brock, huggingface
from .parts import Network

FloatArray = NDArray[np.float32]


class BigGAN(ZSpace):
    """The base of both implementations.

    Layer l of `layers` is G[:l] of PandA's released code: ``input``, the linear map, is layer 0;
    blocks and self-attention follow. A state's ``rest`` is the network's condition: z, class and
    truncation in the form that the blocks take.
    """

    network: Network

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        self.network = network.to(device, dtype)
        self.network.prepare()
        self.layers = {layer.name: layer for layer in network.layers}
        self.size = as_size(network.layers[-1].height)
        self.device, self.dtype = device, dtype

    @abstractmethod
    def condition(self, latents: Latents) -> Any:
        """Return the condition of the network's stages."""

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        condition = self.condition(latents)
        x = self.network.input(condition)
        return State(self.network.run(x, condition, 0, self._index(layer)), condition)

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        start, stop = self._index(layer), self._index(to_layer)
        return State(self.network.run(state.x, state.rest, start, stop), state.rest)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        x = self.network.run(state.x, state.rest, self._index(layer), self.network.depth)
        return self.network.to_image(x, state.rest)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network(self.condition(latents))
        return image

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)

    def _latents(self, seeds: Sequence[int], z: FloatArray, label: int | None) -> dict[str, Tensor]:
        latent = torch.from_numpy(z).to(self.device, self.dtype)
        labels = one_hot(self.name, self.network.classes, seeds, label, like=latent)
        assert labels is not None
        return {"z": latent, "label": labels}


class HuggingFaceBigGAN(BigGAN):
    """Hugging Face's BigGAN-deep, with batch statistics for every truncation.

    Latents are ``z`` ``[N, z_dim]`` (a normal distribution, truncated at two standard deviations
    and scaled by the truncation), one-hot ``label`` ``[N, classes]`` and ``truncation`` ``[N]``.
    """

    network: huggingface.BigGANDeep

    corrected = False
    """Whether to interpolate statistics as intended, unlike the released code; see `rows_of`."""

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; a missing label is drawn from each seed.

        Raises:
            PandaError: ``truncation`` is not above 0 and at most 1, or there is no such label.
        """
        huggingface.rows_of([truncation], self.network.config.n_stats)  # raises for others
        z = truncated_normal(seeds, self.network.z_dim) * np.float32(truncation)
        tensors = self._latents(seeds, z, label)
        tensors["truncation"] = torch.full((len(seeds),), truncation, dtype=torch.float64)
        return Latents(tuple(seeds), tensors)

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`."""
        return self.network.generator.gen_z.weight[:, : self.network.z_dim]

    def condition(self, latents: Latents) -> huggingface.Condition:
        """See `BigGAN.condition`."""
        rows, shares = huggingface.rows_of(
            latents.tensors["truncation"].tolist(),
            self.network.config.n_stats,
            corrected=self.corrected,
        )
        z, label = latents.tensors["z"], latents.tensors["label"]
        return self.network.condition(
            z, label, torch.tensor(rows, device=z.device), torch.tensor(shares).to(z)
        )


class BrockBigGAN(BigGAN):
    """Andrew Brock's BigGAN and BigGAN-deep.

    Latents are ``z`` ``[N, z_dim]`` (a normal distribution whose standard deviation is the
    truncation) and one-hot ``label`` ``[N, classes]``.
    """

    network: brock.BigGAN

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; a missing label is drawn from each seed."""
        z = seeded_normal(seeds, self.network.z_dim) * np.float32(truncation)
        return Latents(tuple(seeds), self._latents(seeds, z, label))

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`; a hierarchical BigGAN's first layer reads only a chunk of z."""
        config, weight = self.network.config, self.network.linear.weight
        if config.depth:
            return weight[:, config.shared_dim :]
        return F.pad(weight, (0, self.network.z_dim - weight.shape[1]))

    def condition(self, latents: Latents) -> brock.Condition:
        """See `BigGAN.condition`."""
        return self.network.condition(latents.tensors["z"], latents.tensors["label"])


def truncated_normal(seeds: Sequence[int], size: int) -> FloatArray:
    """Draw from a normal distribution truncated at two standard deviations.

    Row i equals ``scipy.stats.truncnorm.rvs(-2, 2)`` with ``RandomState(seeds[i])``, as in Hugging
    Face's code.

    Returns:
        ``[N, size]``.
    """
    from scipy.special import ndtr, ndtri

    uniform = np.stack([stream.uniform(size=size) for stream in random_states(seeds)])
    low, high = ndtr(-2.0), ndtr(2.0)
    draws: FloatArray = ndtri(low + uniform * (high - low)).astype(np.float32)
    return draws

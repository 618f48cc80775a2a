"""The contract between the core and every generator: how to sample, stop at a layer and resume.

The core knows nothing else of a generator. Nothing here imports torch at run time, so that cards
and listings stay cheap.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from panda.errors import PandaError, nearest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Layer:
    """A place where a generator can be stopped: its features are ``[N, channels, height, width]``.

    ``margin`` counts the rows and columns on each side that lie outside the image (StyleGAN3).
    """

    name: str
    channels: int
    height: int
    width: int
    margin: int = 0

    @property
    def positions(self) -> int:
        """S, the number of spatial positions."""
        return self.height * self.width

    @property
    def side(self) -> int:
        """Positions inside the image, from top to bottom: the height without margins."""
        return self.height - 2 * self.margin


def on_canvas(maps: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Cut maps ``[N, H, W]`` of a layer's positions to those inside the image."""
    margin = layer.margin
    return maps[:, margin : maps.shape[1] - margin, margin : maps.shape[2] - margin]


@dataclass(frozen=True)
class Latents:
    """What a generator draws from seeds: tensors that all have one row per seed.

    Row i depends on ``seeds[i]`` alone. Which tensors there are is the backend's own affair.
    """

    seeds: tuple[int, ...]
    tensors: Mapping[str, torch.Tensor]

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, rows: slice) -> Latents:
        return Latents(
            self.seeds[rows], {name: tensor[rows] for name, tensor in self.tensors.items()}
        )


@dataclass(frozen=True)
class State:
    """What ``head`` hands to ``tail``: features ``x`` ``[N, C, H, W]`` and the backend's own rest.

    The core may read and replace ``x`` and nothing else.
    """

    x: torch.Tensor
    rest: Any = None

    def with_features(self, x: torch.Tensor) -> State:
        """Return this state with other features and the same rest."""
        return replace(self, x=x)


class Generator(ABC):
    """A pretrained image generator that can be stopped at each of its layers and resumed.

    ``tail(head(z, l), l)`` equals ``forward(z)`` for every layer l. Parameters do not require
    gradients, so no graph is recorded unless a caller asks for one with its own inputs.
    """

    name: str = ""
    """The name it was created under; factors remember it."""

    layers: Mapping[str, Layer]
    """Every layer by name, in the order of the network."""

    resolution: int
    """Height and width of the images, in pixels."""

    device: torch.device

    usual_truncation: float = 0.7
    """The psi that pictures are made at where nobody asks for another; 1 where psi has no sense."""

    excused: Mapping[str, str] = MappingProxyType({})
    """Checks of `panda.testing` that cannot hold here, each with the reason: ``{"truncation": "its
    latents have no mean"}``, or ``{"gradient[4.conv1]": ...}`` for one layer alone."""

    @abstractmethod
    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """Draw one latent per seed.

        ``truncation`` is psi: 1 leaves the distribution as it is, 0 gives the mean. ``label`` is
        the class of a class-conditional generator. Raises `PandaError` where it has no classes.
        """

    @abstractmethod
    def head(self, latents: Latents, layer: str) -> State:
        """Run G[:l] and return the state at ``layer``; its ``x`` is never changed in place."""

    @abstractmethod
    def tail(self, state: State, layer: str) -> torch.Tensor:
        """Run G[l:] from a state and return images ``[N, 3, R, R]`` in about [-1, 1]."""

    @abstractmethod
    def forward(self, latents: Latents) -> torch.Tensor:
        """Run the whole network as its authors would, without stopping: ``[N, 3, R, R]``."""

    def layer(self, name: str) -> Layer:
        """Return the layer of that name; raises `PandaError` with the nearest names."""
        try:
            return self.layers[name]
        except KeyError:
            raise PandaError(
                f"generator {self.name!r} has no layer {name!r}{nearest(name, self.layers)}"
            ) from None

    def layer_near(self, side: float) -> Layer:
        """Return the last layer whose `Layer.side` is nearest, by ratio, to ``side`` positions."""
        layers = reversed(list(self.layers.values()))
        return min(layers, key=lambda layer: abs(math.log(layer.side / side)))

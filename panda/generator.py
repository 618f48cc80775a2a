"""The contract between the core and every generator: how to sample, stop at a layer and resume.

The core knows nothing else of a generator. Nothing here imports torch at run time, so that cards
and listings stay cheap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from panda.errors import PandaError, nearest

if TYPE_CHECKING:
    import numpy as np
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


def seeded_normal(seeds: Sequence[int], *shape: int) -> np.ndarray:
    """Standard normal draws ``[N, *shape]`` float32, row i from ``RandomState(seeds[i])``.

    The convention of NVIDIA's and PandA's released code for a batch of one, so that seed numbers
    mean the same faces there and here.
    """
    import numpy as np

    rows = [stream.randn(*shape) for stream in random_states(seeds)]
    return np.stack(rows).astype(np.float32)


def random_states(seeds: Sequence[int]) -> list[np.random.RandomState]:
    """One stream of random numbers per seed.

    Raises `PandaError` where there is no seed, and for one that is not within 0 and 2**32 - 1.
    """
    import numpy as np

    for seed in seeds:
        if not (isinstance(seed, Integral) and 0 <= seed < 2**32):
            raise PandaError(f"seed {seed!r} is not a whole number from 0 to 2**32 - 1")
    if not seeds:
        raise PandaError("no seeds were given; at least one is needed")
    return [np.random.RandomState(seed) for seed in seeds]

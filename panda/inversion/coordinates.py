"""Where latents are searched: coordinates that are about standard normal over the samples.

So one step length suits them all, and their mean square says how far from the samples a point is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from panda.directions.pca import principal_axes
from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import WSpace, ZSpace

SAMPLES = 4000
"""Samples of w that its principal axes are of."""

FLAT = 1e-3
"""The least deviation of an axis or a channel, as a share of the largest one: along those that
hardly vary a step would need an endless coordinate."""

FEATURES = "features"
"""The space of latents, of the widest kind, and after them of the features of a layer."""

RATE = 0.2
"""The longest step of Adam, in standard deviations of the samples."""

PULL = 3e-3
"""The weight of the distance from the samples beside the error."""


class Coordinates(Protocol):
    """The latents of one sample as numbers, and back."""

    def of(self, latents: Latents) -> Tensor:
        """Return the coordinates of one sample."""

    def move(self, latents: Latents, x: Tensor) -> Latents:
        """Return the same sample with other coordinates."""

    def widen(self, x: Tensor) -> Tensor:
        """Return the same point with separate coordinates for every slot."""

    def pull(self, x: Tensor) -> Tensor:
        """Return how far the point is from the samples, about 1 for a sample itself."""


@dataclass(frozen=True, eq=False)
class MappedCoordinates:
    """w along its principal axes, in standard deviations: ``[1, D]``, or ``[1, slots, D]``.

    Attributes:
        space: The generator.
        mean: Of w, ``[D]``; float32, as the other two, whatever the generator is.
        axes: ``[D, D]``, rows.
        deviations: Along the axes, ``[D]``.
    """

    space: WSpace
    mean: Tensor
    axes: Tensor
    deviations: Tensor

    @staticmethod
    def measure(space: WSpace) -> MappedCoordinates:
        """Sample w and compute its axes."""
        axes, deviations = principal_axes(space, SAMPLES)
        deviations = deviations.clamp_min(FLAT * float(deviations[0]))
        mean = space.w_mean.detach().float()
        return MappedCoordinates(space, mean, axes.to(mean), deviations.to(mean))

    def of(self, latents: Latents) -> Tensor:
        """See `Coordinates.of`; these are the mean over the slots."""
        w = self.space.w_plus(latents).float().mean(1)
        return (w - self.mean) @ self.axes.T / self.deviations

    def move(self, latents: Latents, x: Tensor) -> Latents:
        """See `Coordinates.move`."""
        w = self.mean + (x * self.deviations) @ self.axes
        return self.space.with_w(latents, w.to(self.space.w_mean.dtype))

    def widen(self, x: Tensor) -> Tensor:
        """See `Coordinates.widen`."""
        return x[:, None].expand(-1, len(self.space.slots), -1)

    def pull(self, x: Tensor) -> Tensor:
        """See `Coordinates.pull`; the differences between slots count once more."""
        apart = x - x.mean(1, keepdim=True) if x.ndim == 3 else x.new_zeros(1)
        return x.square().mean() + apart.square().mean()


@dataclass(frozen=True, eq=False)
class StraightCoordinates:
    """z over its root mean square: ``[1, Z]``.

    Attributes:
        space: The generator.
        scale: The root mean square of z.
    """

    space: ZSpace
    scale: float

    @staticmethod
    def measure(space: ZSpace, latents: Latents) -> StraightCoordinates:
        """Compute the scale of some samples."""
        return StraightCoordinates(space, float(latents.tensors["z"].square().mean().sqrt()))

    def of(self, latents: Latents) -> Tensor:
        """See `Coordinates.of`."""
        return latents.tensors["z"].float() / self.scale

    def move(self, latents: Latents, x: Tensor) -> Latents:
        """See `Coordinates.move`."""
        return self.space.with_z(latents, (x * self.scale).to(latents.tensors["z"].dtype))

    def widen(self, x: Tensor) -> Tensor:
        """See `Coordinates.widen`: z has no slots."""
        return x

    def pull(self, x: Tensor) -> Tensor:
        """See `Coordinates.pull`."""
        return x.square().mean()


class SearchedLatents:
    """Coordinates of one sample.

    Args:
        generator: The generator.
        coordinates: Of its latents.
        latents: The sample that is moved.
        start: The coordinates to begin with.
    """

    rate = RATE

    def __init__(
        self, generator: Generator, coordinates: Coordinates, latents: Latents, start: Tensor
    ) -> None:
        self._generator, self._coordinates, self._sample = generator, coordinates, latents
        self.start = start

    def image(self, x: Tensor) -> Tensor:
        """See `panda.inversion.descent.Searched.image`."""
        return self._generator.forward(self.latents(x))

    def pull(self, x: Tensor) -> Tensor:
        """See `panda.inversion.descent.Searched.pull`."""
        return PULL * self._coordinates.pull(x)

    def latents(self, x: Tensor) -> Latents:
        """Return the sample at other coordinates."""
        return self._coordinates.move(self._sample, x)


def spaces(generator: Generator) -> tuple[str, ...]:
    """Return the spaces that can be searched, the widest first; features are there always."""
    if isinstance(generator, WSpace):
        return (FEATURES, "w+", "w")
    return (FEATURES, "z") if isinstance(generator, ZSpace) else (FEATURES,)


def check_space(generator: Generator, space: str | None) -> str:
    """Return the space to search, the widest for None.

    Raises:
        PandaError: Where the generator does not have it.
    """
    known = spaces(generator)
    if space is None:
        return known[0]
    if space not in known:
        raise PandaError(f"{generator.name} has no space {space!r:.60}{nearest(str(space), known)}")
    return space


def measure(generator: Generator, candidates: Latents) -> Coordinates:
    """Return coordinates of the latents of a generator that is a `WSpace` or a `ZSpace`."""
    with torch.no_grad():
        if isinstance(generator, WSpace):
            return MappedCoordinates.measure(generator)
        assert isinstance(generator, ZSpace)
        return StraightCoordinates.measure(generator, candidates)

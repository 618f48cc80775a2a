"""Where latents are searched: coordinates that are about standard normal over the samples.

So one step length suits them all, and their mean square tells how far from the samples a point is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import WSpace, ZSpace
from panda.methods.pca import principal_axes

SAMPLES = 4000
"""Samples of w that its principal axes are of."""

FLAT = 1e-3
"""Axes along which w varies by less than this share of its largest deviation count as varying so
much: else a step along them would need an endless coordinate."""


class Coordinates(Protocol):
    """One sample's latents, as numbers and back."""

    def of(self, latents: Latents) -> Tensor:
        """The coordinates of one sample."""

    def move(self, latents: Latents, x: Tensor) -> Latents:
        """The same sample with other coordinates."""

    def widen(self, x: Tensor) -> Tensor:
        """The same point with coordinates of its own for every slot."""

    def pull(self, x: Tensor) -> Tensor:
        """How far the point is from the samples, about 1 for one of them."""


@dataclass(frozen=True, eq=False)
class MappedCoordinates:
    """w along its principal axes, in standard deviations: ``[1, D]``, or ``[1, slots, D]``."""

    space: WSpace
    mean: Tensor
    axes: Tensor
    """``[D, D]``, rows; all three are float32, whatever the generator is."""

    deviations: Tensor

    @staticmethod
    def measure(space: WSpace) -> MappedCoordinates:
        """Sample w and find its axes."""
        axes, deviations = principal_axes(space, SAMPLES)
        deviations = deviations.clamp_min(FLAT * float(deviations[0]))
        mean = space.w_mean.detach().float()
        return MappedCoordinates(space, mean, axes.to(mean), deviations.to(mean))

    def of(self, latents: Latents) -> Tensor:
        """See `Coordinates.of`; the mean over the slots."""
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
        """See `Coordinates.pull`; slots that differ count once more."""
        apart = x - x.mean(1, keepdim=True) if x.ndim == 3 else x.new_zeros(1)
        return x.square().mean() + apart.square().mean()


@dataclass(frozen=True, eq=False)
class StraightCoordinates:
    """z over its root mean square: ``[1, Z]``."""

    space: ZSpace
    scale: float

    @staticmethod
    def measure(space: ZSpace, latents: Latents) -> StraightCoordinates:
        """Take the scale from some samples."""
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


def spaces(generator: Generator) -> tuple[str, ...]:
    """The spaces in which the generator's latents can be searched, the most able one first."""
    if isinstance(generator, WSpace):
        return ("w+", "w")
    return ("z",) if isinstance(generator, ZSpace) else ()


def check_space(generator: Generator, space: str | None) -> str:
    """The space, or the most able one for None; raises `PandaError` where it cannot be searched."""
    known = spaces(generator)
    if not known:
        raise PandaError(
            f"inversion needs latents that can be moved (w, or a z that goes straight into the"
            f" network), which {generator.name} has not"
        )
    if space is None:
        return known[0]
    if space not in known:
        raise PandaError(f"{generator.name} has no space {space!r}{nearest(space, known)}")
    return space


def measure(generator: Generator, candidates: Latents) -> Coordinates:
    """Coordinates of the generator's latents; `check_space` has found that it has some."""
    with torch.no_grad():
        if isinstance(generator, WSpace):
            return MappedCoordinates.measure(generator)
        assert isinstance(generator, ZSpace)
        return StraightCoordinates.measure(generator, candidates)

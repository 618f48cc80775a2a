"""What a method changes in a generator: a latent, a style, or the features of a layer.

A change is a direction; a strength says how far. `Change.start` runs once whatever does not depend
on the strength, since the same samples are edited at many strengths until they match.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from panda.editing.edits import Edit, direction, refine
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import w_space, z_space

Render = Callable[[Tensor], Tensor]
"""From one strength for each sample ``[N]`` to images ``[N, 3, R, R]``."""


class Change(ABC):
    """One direction in which a method can edit."""

    @abstractmethod
    def start(self, generator: Generator, latents: Latents) -> Render:
        """Return what renders these samples at strengths; raises `PandaError` where it cannot."""


class LatentChange(Change):
    """A change that the whole generator runs on: of w, z or styles."""

    @abstractmethod
    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """The same samples moved by strengths ``[N]``; raises `PandaError` without the space."""

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        return lambda strengths: generator.forward(self.moved(generator, latents, strengths))


@dataclass(frozen=True)
class WChange(LatentChange):
    """Move w by a direction ``[D]`` in the slots ``start`` to ``stop - 1``; None is the last."""

    direction: Tensor
    start_slot: int = 0
    stop_slot: int | None = None

    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """See `LatentChange.moved`."""
        space = w_space(generator, "a direction in w")
        w = space.w_plus(latents)
        step = torch.zeros_like(w[:1])
        step[:, self.start_slot : self.stop_slot] = self.direction.to(w)
        return space.with_w(latents, w + strengths.to(w)[:, None, None] * step)


@dataclass(frozen=True)
class ZChange(LatentChange):
    """Move z by a direction ``[Z]``."""

    direction: Tensor

    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """See `LatentChange.moved`."""
        space, z = z_space(generator, "a direction in z"), latents.tensors["z"]
        return space.with_z(latents, z + strengths.to(z)[:, None] * self.direction.to(z))


@dataclass(frozen=True)
class StyleChange(LatentChange):
    """Move one style channel of a slot by ``unit`` (its standard deviation) for each strength."""

    slot: str
    channel: int
    unit: float = 1.0

    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """See `LatentChange.moved`."""
        space = w_space(generator, "a change of styles")
        _, bias = space.style_maps()[self.slot]
        step = torch.zeros_like(bias)[None]
        step[0, self.channel] = self.unit
        return space.shift_styles(latents, {self.slot: strengths.to(step)[:, None] * step})


@dataclass(frozen=True)
class PartChange(Change):
    """Add an appearance where parts are; ``edit`` is for a strength of one."""

    factors: Factors
    edit: Edit
    refined: bool = False
    focus: float = 0.0
    """See `panda.editing.edits.direction`."""

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        layer = self.factors.layer.name
        state = generator.head(latents, layer)
        parts = refine(self.factors, state.x) if self.refined else None
        edit = replace(self.edit, strength=1.0)
        step = direction(self.factors, [edit], parts, focus=self.focus).to(state.x)
        return lambda strengths: generator.tail(
            state.with_features(state.x + strengths.to(state.x)[:, None, None, None] * step), layer
        )

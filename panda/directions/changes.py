"""What an edit changes in a generator: a latent, a style, or the features of a layer.

A change is a direction, and a strength is how far to move along it. `Change.start` does what does
not depend on the strength, since `panda.metrics.matching` edits the same samples at many.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.generators.carried import mixed_changes
from panda.generators.contract import Generator, Latents
from panda.generators.labels import Label
from panda.generators.latent_spaces import has_w, w_space, z_space

Render = Callable[[Tensor], Tensor]
"""From one strength for each sample ``[N]`` to images ``[N, channels, H, W]``."""


class Change(ABC):
    """One direction in which a method can edit."""

    @abstractmethod
    def start(self, generator: Generator, latents: Latents) -> Render:
        """Return the function that renders samples at strengths.

        Args:
            generator: The generator that the method was fitted to.
            latents: N samples.

        Raises:
            PandaError: Where the generator lacks what the change needs.
        """


class LatentChange(Change):
    """A change of w, z or styles, after which the whole generator runs."""

    @abstractmethod
    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """Return the same samples moved by strengths ``[N]``.

        Raises:
            PandaError: Where the generator lacks the latent space.
        """

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        return lambda strengths: generator.forward(self.moved(generator, latents, strengths))


@dataclass(frozen=True, eq=False)
class WChange(LatentChange):
    """Move w along a direction.

    Attributes:
        direction: ``[D]``.
        start_slot: The first slot that is moved.
        stop_slot: The slot after the last that is moved; None for all from ``start_slot`` on.
    """

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


@dataclass(frozen=True, eq=False)
class ZChange(LatentChange):
    """Move z along a direction ``[Z]``."""

    direction: Tensor

    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """See `LatentChange.moved`."""
        space, z = z_space(generator, "a direction in z"), latents.tensors["z"]
        return space.with_z(latents, z + strengths.to(z)[:, None] * self.direction.to(z))


@dataclass(frozen=True)
class StyleChange(LatentChange):
    """Move one style channel.

    Attributes:
        slot: The slot of the channel.
        channel: Its number in the slot.
        unit: How far a strength of 1 moves it: its standard deviation.
    """

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


@dataclass(frozen=True, eq=False)
class MixChange(LatentChange):
    """Move w, or z where there is no w, towards another sample; a strength of 1 arrives there.

    What the other sample carries (`panda.generators.carried`) comes along, unless only some slots
    are moved.

    Attributes:
        other: The one other sample, or one for each that is moved.
        start_slot: See `WChange`.
        stop_slot: Likewise.
    """

    other: Latents
    start_slot: int = 0
    stop_slot: int | None = None

    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """See `LatentChange.moved`."""
        what = "the way to another sample"
        if self.start_slot == 0 and self.stop_slot is None:
            latents = mixed_changes(latents, self.other, strengths)
        if has_w(generator):
            mapped = w_space(generator, what)
            w = mapped.w_plus(latents)
            step = torch.zeros_like(w)
            slots = slice(self.start_slot, self.stop_slot)
            step[:, slots] = (mapped.w_plus(self.other).to(w) - w)[:, slots]
            return mapped.with_w(latents, w + strengths.to(w)[:, None, None] * step)
        space, z = z_space(generator, what), latents.tensors["z"]
        step = self.other.tensors["z"].to(z) - z
        return space.with_z(latents, z + strengths.to(z)[:, None] * step)


@dataclass(frozen=True)
class SeedChange(LatentChange):
    """Move towards the sample of a seed, at the usual truncation and of the same class.

    Attributes:
        seed: The seed of the other sample.
        start_slot: See `WChange`.
        stop_slot: Likewise.
        label: The class of the other sample where that of the moved ones is not known.
    """

    seed: int
    start_slot: int = 0
    stop_slot: int | None = None
    label: Label | None = None

    def moved(self, generator: Generator, latents: Latents, strengths: Tensor) -> Latents:
        """See `LatentChange.moved`."""
        labels = latents.labels or (self.label,)
        psi = generator.usual_truncation
        if len(set(labels)) == 1:
            other = generator.sample([self.seed], truncation=psi, label=labels[0])
        else:
            seeds = [self.seed] * len(latents)
            other = generator.sample(seeds, truncation=psi, label=list(labels))
        way = MixChange(other, self.start_slot, self.stop_slot)
        return way.moved(generator, latents, strengths)


@dataclass(frozen=True, eq=False)
class FeatureChange(Change):
    """Add a direction of features at one layer.

    Attributes:
        direction: ``[C, H, W]``, each position its own.
        layer: The layer.
    """

    direction: Tensor
    layer: str

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        state = generator.head(latents, self.layer)
        return lambda strengths: generator.tail(
            state.with_features(state.x + self.step(state.x, strengths)), self.layer
        )

    def step(self, features: Tensor, strengths: Tensor) -> Tensor:
        """Return what strengths ``[N]`` add to features ``[N, C, H, W]`` of the layer."""
        return strengths.to(features)[:, None, None, None] * self.direction.to(features)

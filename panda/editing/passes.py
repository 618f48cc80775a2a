"""Runs of a generator up to the layers of edits: of given samples, and of those that edits move."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.directions.changes import FeatureChange, LatentChange
from panda.directions.named import Named
from panda.editing.arrays import Array
from panda.editing.sources import find_source
from panda.generators.contract import Generator, Latents, State
from panda.generators.labels import Label

Move = tuple[str | Array, float]
"""A source of `panda.editing.sources`, and a strength."""


ROUNDING = 1e-5
"""How much of its largest number a latent may differ that was drawn in another batch."""


class Passes:
    """Given samples, and moved ones, each run on from the last layer that it was needed at.

    Edits with the same source and strength share a run, wherever they act.

    Args:
        generator: The generator.
        latents: The given samples.
        state: Their state at ``layer``.
        layer: The first layer that is needed.
        label: See `panda.editing.sources.find_source`.
    """

    def __init__(
        self,
        generator: Generator,
        latents: Latents,
        state: State,
        layer: str,
        label: Label | None = None,
    ) -> None:
        self._generator, self._latents, self._label = generator, latents, label
        self._reached: dict[Move | None, tuple[State, str]] = {None: (state, layer)}
        self._moved: dict[Move, Latents] = {}
        self._latent_changes: dict[str | Array, LatentChange] = {}

    def keep(self, state: State, layer: str) -> None:
        """Take over a state of the given samples that somebody has run on to a layer."""
        self._reached[None] = state, layer

    def plain(self, layer: str) -> Tensor:
        """Return the features ``[N, C, H, W]`` of the given samples at a layer, none before."""
        return self._at(None, layer)

    def moved(self, move: Move, layer: str) -> Tensor:
        """Return the features ``[N, C, H, W]`` of moved samples at a layer, none before.

        Raises:
            PandaError: Where the generator has no such source.
        """
        change = self._change(move[0], layer)
        if isinstance(change, FeatureChange):
            plain = self.plain(layer)
            return plain + change.step(plain, self._strengths(move))
        if move not in self._reached:
            self._reached[move] = self._generator.head(self._move(move, change), layer), layer
        return self._at(move, layer)

    def stays(self, move: Move, layer: str) -> list[bool]:
        """Return for each sample whether its latents stay as they are, but for rounding.

        What moves the features of the layer leaves no sample as it is.
        """
        change = self._change(move[0], layer)
        if isinstance(change, FeatureChange):
            return [False] * len(self._latents)
        alike = torch.ones(len(self._latents), dtype=torch.bool)
        for name, after in self._move(move, change).tensors.items():
            before = self._latents.tensors.get(name)
            if before is None:  # what the other sample carries, and this one does not
                before = torch.zeros_like(after)
            if before.ndim < after.ndim:  # a w for all slots
                before = before[:, None].expand(-1, after.shape[1], -1)
            if before.shape != after.shape:  # moved styles follow w
                return [False] * len(alike)
            step, size = (
                each.abs().reshape(len(alike), -1).amax(1) for each in (after - before, before)
            )
            alike &= (step <= ROUNDING * size).cpu()
        flags: list[bool] = alike.tolist()
        return flags

    def _change(self, source: str | Array, layer: str) -> Named:
        """Return what a source changes; one of latents is found once for all layers."""
        if source not in self._latent_changes:
            change = find_source(source, self._generator, self._label, layer)
            if isinstance(change, FeatureChange):
                return change
            self._latent_changes[source] = change
        return self._latent_changes[source]

    def _strengths(self, move: Move) -> Tensor:
        return torch.full((len(self._latents),), move[1], dtype=torch.float64)

    def _move(self, move: Move, change: LatentChange) -> Latents:
        if move not in self._moved:
            moved = change.moved(self._generator, self._latents, self._strengths(move))
            self._moved[move] = moved
        return self._moved[move]

    def _at(self, move: Move | None, layer: str) -> Tensor:
        state, before = self._reached[move]
        state = self._generator.advance(state, before, layer)
        self._reached[move] = state, layer
        return state.x

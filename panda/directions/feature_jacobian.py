"""How the features of a layer change images inside and outside of a region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import FeatureChange
from panda.directions.gradients import SEED
from panda.directions.jacobian import derivatives
from panda.directions.singular import leading
from panda.errors import PandaError
from panda.factorization.usual import usual_place
from panda.generators.contract import Generator, Layer, State
from panda.generators.predicting import last_run
from panda.metrics.regions import Regions

BATCH = 4
"""Images that are derived together."""


@dataclass(frozen=True, eq=False)
class FeatureJacobian:
    """J of some images with respect to one change of features that is added to all of them.

    The images are stacked in the rows of J, so its singular vectors are the best for all together.

    Attributes:
        generator: The generator.
        layer: The layer of the features.
        region: The name of the region.
        states: Samples at the layer, in batches.
        masks: Where the region is in each, ``[N, 1, H, W]`` bool.
        predicted: Whether images are those that a sampler's step expects, see `last_run`.
    """

    generator: Generator
    layer: Layer
    region: str
    states: Sequence[State]
    masks: Sequence[Tensor]
    predicted: bool

    def inside(self, rank: int, iterations: int) -> tuple[Tensor, Tensor]:
        """Return `leading` singular values and vectors of the rows inside of the region."""
        return leading(lambda rows: self.gram(rows, False), self._size, rank, iterations)

    def outside(self, rank: int, iterations: int) -> tuple[Tensor, Tensor]:
        """Return those of the rows outside."""
        return leading(lambda rows: self.gram(rows, True), self._size, rank, iterations)

    @property
    def _size(self) -> int:
        """The columns of J."""
        return self.layer.channels * self.layer.positions

    def gram(self, rows: Tensor, outside: bool) -> Tensor:
        """Return J^T J times each of some rows.

        Args:
            rows: ``[K, C * H * W]``.
            outside: Whether the rows of J are those outside of the region, not inside.

        Returns:
            ``[K, C * H * W]`` float64 on the CPU.

        Raises:
            PandaError: Where the generator gives no gradients, or they are not finite.
        """
        run, totals = last_run(self.generator, self.predicted), torch.zeros_like(rows)
        for state, masks in zip(self.states, self.masks, strict=True):

            def images(x: Tensor, state: State = state) -> Tensor:
                # Times one, since a backend may write to its features, but not to a leaf.
                return run(state.with_features(x * 1), self.layer.name)

            keep = (~masks if outside else masks).to(state.x)
            leaf = state.x.detach().clone().requires_grad_()
            with torch.enable_grad():
                made = images(leaf)
            if not made.requires_grad:
                raise PandaError(
                    f"{self.generator.name} gives no gradients: torch cannot follow how its images"
                    f" depend on {self.layer.name}"
                )
            for k, row in enumerate(rows):
                along = row.to(state.x).view(1, *state.x.shape[1:]).expand_as(state.x)
                with torch.no_grad():
                    moved = derivatives(images, state.x, along) * keep
                (back,) = torch.autograd.grad(
                    made, leaf, moved, retain_graph=True, materialize_grads=True
                )
                totals[k] += back.double().sum(0).flatten().cpu()
        if not bool(totals.isfinite().all()):
            raise PandaError(
                f"the derivatives of the images of {self.generator.name} hold NaN or infinity"
            )
        return totals

    def change(self, row: Tensor) -> FeatureChange:
        """Return the change along a row ``[C * H * W]``."""
        place = self.layer
        shape = place.channels, place.height, place.width
        return FeatureChange(row.float().view(shape), place.name)


def feature_jacobians(
    generator: Generator, regions: Regions, layer: str, images: int, predicted: bool
) -> Iterator[FeatureJacobian]:
    """Yield the Jacobian of every region that covers a part of an image.

    Args:
        generator: Any generator whose tail has gradients.
        regions: Where the regions come from.
        layer: The layer of the features; by default the usual one
            (`panda.factorization.usual.usual_place`).
        images: How many images, of the seeds from `panda.directions.gradients.SEED` on. A region
            is measured on those of which it covers a part.
        predicted: See `FeatureJacobian`.

    Raises:
        PandaError: Where there is no such layer, or no image has any of the regions.
    """
    place = generator.layer(layer) if layer else usual_place(generator)[0]
    if images < 1:
        raise PandaError(f"{images} images, expected at least 1")
    psi = generator.usual_truncation
    latents = generator.sample(range(SEED, SEED + images), truncation=psi)
    found = regions.find(generator.forward(latents), max(generator.size))
    covered = False
    for name, masks in found.items():
        part = masks.flatten(1).any(1) & ~masks.flatten(1).all(1)
        chosen = part.nonzero()[:, 0].tolist()
        batches = [chosen[k : k + BATCH] for k in range(0, len(chosen), BATCH)]
        if chosen:
            covered = True
            states = [generator.head(latents[batch], place.name) for batch in batches]
            where = [masks[batch][:, None] for batch in batches]
            yield FeatureJacobian(generator, place, name, states, where, predicted)
    if not covered:
        raise PandaError(
            f"no image of {generator.name} has {', '.join(found)}; more 'images', or boxes for"
            " regions"
        )

"""Samplers that say at each step which image they expect: an optional capability."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from panda.generators.contract import Generator, State

if TYPE_CHECKING:
    from torch import Tensor


class Predicting(Generator):
    """A sampler that can tell, before it has run to its end, which image it expects.

    Diffusion models call that image the posterior mean: what one call of the network makes of noisy
    latents. `tail` runs all steps that are left.
    """

    @abstractmethod
    def predict(self, state: State, layer: str) -> Tensor:
        """Return the images ``[N, channels, H, W]`` that the step of a layer expects.

        Where a layer belongs to no single step, these are the images of `tail`.
        """


def last_run(generator: Generator, predicted: bool) -> Callable[[State, str], Tensor]:
    """Return what makes images ``[N, channels, H, W]`` of a state at a layer.

    Args:
        generator: Any generator.
        predicted: Whether it is to be `Predicting.predict`, where the generator has that; else it
            is `Generator.tail`.
    """
    return generator.predict if predicted and isinstance(generator, Predicting) else generator.tail

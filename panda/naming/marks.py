"""What a part's own appearances change in the image: the marks by which they are matched."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from panda.editing.edits import Edit, direction
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, State
from panda.metrics.roir import small

SIGMAS = 4.0
"""Edits are compared at so many standard deviations each way."""


MARK = 16
"""Positions from side to side of the change of colors that is an appearance's mark."""


def both_ways(
    generator: Generator, factors: Factors, state: State, part: int, axis: int
) -> list[Tensor]:
    """Small images of a state's samples down and up a part's own axis; none where it is still."""
    if factors.vector(f"p{axis}", (part,))[1] == 0:
        return []
    layer, images = factors.layer.name, []
    for sign in (-1, 1):
        edit = Edit((part,), f"p{axis}", sign * SIGMAS, sigma=True)
        x = state.x + direction(factors, [edit]).to(state.x)
        images.append(small(generator.tail(state.with_features(x), layer)))
    return images


def mark(images: list[Tensor]) -> Tensor:
    """The mark ``[3, MARK, MARK]`` of an appearance by the images of `both_ways`."""
    half = (images[1] - images[0]).mean(0) / 2
    return F.adaptive_avg_pool2d(half, MARK).float().cpu()

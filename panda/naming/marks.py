"""What a part's own appearances change in the image: the marks by which they are matched."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from panda.editing.apply import direction
from panda.editing.edits import Edit
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, State
from panda.metrics.roir import small

SIGMAS = 4.0
"""The strength at which edits are compared, in standard deviations each way."""

MARK = 16
"""Height and width of an appearance's mark, which is a change of colors."""


def both_ways(
    generator: Generator, factors: Factors, state: State, part: int, axis: int
) -> list[Tensor]:
    """Return small images of samples after edits down and up a part's own axis.

    Args:
        generator: The generator that the factors are of.
        factors: What ``part`` and ``axis`` count.
        state: The samples, at the factors' layer.
        part: The number of the part.
        axis: The number of its own appearance.

    Returns:
        Two tensors ``[N, 3, h, w]``; none where the part does not vary along the axis.
    """
    if factors.vector(f"p{axis}", (part,))[1] == 0:
        return []
    layer, images = factors.layer.name, []
    for sign in (-1, 1):
        edit = Edit((part,), f"p{axis}", sign * SIGMAS, sigma=True)
        x = state.x + direction(factors, [edit]).to(state.x)
        images.append(small(generator.tail(state.with_features(x), layer)))
    return images


def mark(images: list[Tensor]) -> Tensor:
    """Return the mark ``[3, MARK, MARK]`` of an appearance, from the images of `both_ways`.

    Half of the mean difference of the two, so what all samples have in common remains.
    """
    half = (images[1] - images[0]).mean(0) / 2
    return F.adaptive_avg_pool2d(half, MARK).float().cpu()

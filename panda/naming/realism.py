"""Whether an edit breaks the picture: its part is like that of no sample, or the face is gone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from panda.images import resize_map
from panda.images.channels import LUMA
from panda.metrics.faces import show_face

ODD = 2.5
"""Beyond this `Realism.oddness`, a part is like that of no sample.

None of 960 parts of samples of two small generators of faces is beyond 2.33, when compared with 20
other samples (``benchmarks/broken_edits.py``; ``docs/methods.md``, Names).
"""

MANY = 0.5
"""An edit breaks the picture if it does so in at least this share of the samples."""


def region_statistics(images: Tensor, mask: Tensor) -> Tensor:
    """Return what a part looks like, by six numbers: ``[N, 6]`` float64, on the CPU.

    The means of red, green and blue; and the logarithms of the contrast (the standard deviation of
    brightness), of the detail (the mean step from pixel to pixel) and of the mean colorfulness.

    Args:
        images: Small images ``[N, 3, h, w]`` in [-1, 1].
        mask: Where the part is, ``[h, w]`` in [0, 1].
    """
    weights = resize_map(mask, images.shape[2:]).to(images).clamp_min(0)
    weights = weights / weights.sum().clamp_min(1e-9)

    def mean(values: Tensor) -> Tensor:
        return (values * weights).sum((-2, -1))

    brightness = torch.einsum("nchw,c->nhw", images, torch.tensor(LUMA).to(images))
    contrast = mean((brightness - mean(brightness)[:, None, None]).square()).sqrt()
    steps = torch.zeros_like(brightness)
    steps[:, 1:] += brightness.diff(dim=1).abs()
    steps[:, :, 1:] += brightness.diff(dim=2).abs()
    logs = [contrast, mean(steps), mean(images.std(1))]
    colors = [mean(images[:, channel]) for channel in range(3)]
    return torch.stack([*colors, *((value + 1e-3).log() for value in logs)], 1).double().cpu()


@dataclass(frozen=True, eq=False)
class Realism:
    """What a part looks like in samples.

    Attributes:
        mask: Where the part is, ``[h, w]`` in [0, 1].
        mean: Means of `region_statistics` ``[6]``.
        spread: Their standard deviations.
        count: How many samples these are of, at least two.
    """

    mask: Tensor
    mean: Tensor
    spread: Tensor
    count: int

    @staticmethod
    def of(samples: Tensor, mask: Tensor) -> Realism:
        """Look at samples ``[N, 3, h, w]``, at least two, in a part ``[h, w]``."""
        values = region_statistics(samples, mask)
        return Realism(mask, values.mean(0), values.std(0), len(values))

    def oddness(self, images: Tensor) -> Tensor:
        """Return how far the part of each image is from that of samples, ``[N]`` float64.

        The root mean square of `region_statistics`, each in the standard deviations of a normal
        distribution that are as rare as its distance is with so few samples (Student's t).
        """
        away = (region_statistics(images, self.mask) - self.mean).abs()
        scale = self.spread.clamp_min(1e-3) * (1 + 1 / self.count) ** 0.5
        tails = stats.t.sf((away / scale).numpy(), self.count - 1).clip(min=1e-300)
        return torch.from_numpy(stats.norm.isf(tails)).square().mean(1).sqrt()


def breaks(
    realism: Realism, images: Tensor, before: Tensor | None = None, after: Tensor | None = None
) -> bool:
    """Return whether an edit breaks the picture in `MANY` of the samples or more.

    It does where the part is odder than `ODD`, and where parsing sees a face no more.

    Args:
        realism: What the part looks like in samples.
        images: Small edited images ``[N, 3, h, w]``.
        before: Class maps ``[N, H, W]`` of the same images before the edit, where they are faces.
        after: Those after it.
    """
    broken = realism.oddness(images) > ODD
    if before is not None and after is not None:
        broken |= show_face(before) & ~show_face(after)
    return bool(broken.double().mean() >= MANY)

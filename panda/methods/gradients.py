"""What LowRankGAN and ReSeFa start from: how w changes an image inside and outside a region."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.generators.contract import Latents
from panda.generators.latent_spaces import WSpace
from panda.methods.jacobian import jacobian
from panda.methods.pca import principal_axes
from panda.metrics.regions import Regions

SEED = 4
"""The first of the images' seeds."""


@dataclass(frozen=True)
class Sensitivity:
    """J^T J / rows ``[D, D]`` of one image, inside and outside one region."""

    region: str
    image: int
    inside: Tensor
    outside: Tensor


@lru_cache(maxsize=1)  # two methods start from the same ones
def sensitivities(
    space: WSpace, regions: Regions, images: int, pixels: int, subspace: int | None
) -> list[Sensitivity]:
    """J is how the grey image (``pixels`` wide, mean of RGB) changes with w, the same in all slots.

    ``subspace`` takes the derivatives along that many principal axes of w only, not along all D:
    D / subspace times sooner, and blind to where w hardly ever goes.
    """
    size = len(space.w_mean)
    axes = torch.eye(size) if subspace is None else principal_axes(space, 20_000)[0][:subspace]
    listed: list[Sensitivity] = []
    for image in range(images):
        latents = space.sample([SEED + image], truncation=space.usual_truncation)
        columns = jacobian(
            partial(_grey, space, latents, pixels),
            space.w_plus(latents)[0, 0],
            axes.to(space.device),
        ).flatten(1)  # [K, pixels^2]
        found = regions.find(space.forward(latents), pixels)
        for name, (mask,) in found.items():
            chosen = mask.flatten()
            if bool(chosen.any()) and not bool(chosen.all()):
                parts = [_gram(columns[:, where], axes) for where in (chosen, ~chosen)]
                listed.append(Sensitivity(name, image, *parts))
    return listed


def _grey(space: WSpace, latents: Latents, pixels: int, w: Tensor) -> Tensor:
    """Grey images ``[N, pixels, pixels]`` of one sample with other w ``[N, D]``."""
    return shrink(space.forward(space.with_w(repeat(latents, len(w)), w)), pixels).mean(1)


def repeat(latents: Latents, count: int) -> Latents:
    """One sample as many times."""
    rows = {name: row.expand(count, *row.shape[1:]) for name, row in latents.tensors.items()}
    return Latents(latents.seeds * count, rows)


def _gram(columns: Tensor, axes: Tensor) -> Tensor:
    axes = axes.double().to(columns.device)
    columns = columns.double()
    return (axes.T @ (columns @ columns.T) @ axes / columns.shape[1]).cpu()


def shrink(images: Tensor, pixels: int) -> Tensor:
    """Images at no more than so many pixels: means where they shrink."""
    if images.shape[-1] <= pixels:
        return images
    return F.interpolate(images, (pixels, pixels), mode="area")

"""What LowRankGAN and ReSeFa start from: how w changes an image inside and outside a region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.directions.jacobian import jacobian
from panda.directions.pca import principal_axes
from panda.generators.contract import Latents
from panda.generators.latent_spaces import WSpace
from panda.images.channels import as_rgb
from panda.metrics.regions import Regions
from panda.shapes import within

SEED = 4
"""The first of the images' seeds."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How w changes one image inside and outside one region.

    Attributes:
        region: The name of the region.
        image: The number of the image.
        inside: J^T J over the number of pixels inside, ``[D, D]`` float64 on the CPU.
        outside: The same outside.
    """

    region: str
    image: int
    inside: Tensor
    outside: Tensor


_LAST: WeakKeyDictionary[WSpace, tuple[tuple[object, ...], list[Sensitivity]]] = WeakKeyDictionary()
"""The last sensitivities of each generator that is in use, with their settings."""


def sensitivities(
    space: WSpace, regions: Regions, images: int, pixels: int, subspace: int | None
) -> list[Sensitivity]:
    """Return J^T J of some images for every region that covers a part of them.

    Two methods start from the same, so they are computed once. J is the Jacobian of the gray image
    (the mean of RGB) with respect to w, the same in all slots.

    Args:
        space: A generator with w.
        regions: Where the regions come from.
        images: The number of images, of the seeds from `SEED` on.
        pixels: The longer side of the images; those of a smaller generator stay as they are.
        subspace: Derivatives are taken along so many principal axes of w, not along all D:
            D / subspace times faster, and blind to directions in which w hardly varies.
    """
    settings = (regions, images, pixels, subspace)
    if space not in _LAST or _LAST[space][0] != settings:
        _LAST[space] = settings, _measure(space, regions, images, pixels, subspace)
    return _LAST[space][1]


def _measure(
    space: WSpace, regions: Regions, images: int, pixels: int, subspace: int | None
) -> list[Sensitivity]:
    """Compute `sensitivities`."""
    size, pixels = len(space.w_mean), min(pixels, max(space.size))
    axes = torch.eye(size) if subspace is None else principal_axes(space, 20_000)[0][:subspace]
    results: list[Sensitivity] = []
    for image in range(images):
        latents = space.sample([SEED + image], truncation=space.usual_truncation)
        columns = jacobian(
            partial(_gray, space, latents, pixels),
            space.w_plus(latents)[0, 0],
            axes.to(space.device),
        ).flatten(1)  # [K, pixels of an image]
        masks = regions.find(space.forward(latents), pixels)
        for name, (mask,) in masks.items():
            chosen = mask.flatten()
            if bool(chosen.any()) and not bool(chosen.all()):
                grams = [_gram(columns[:, where], axes) for where in (chosen, ~chosen)]
                results.append(Sensitivity(name, image, *grams))
    return results


def _gray(space: WSpace, latents: Latents, pixels: int, w: Tensor) -> Tensor:
    """Return gray images ``[N, h, w]`` of one sample with other w ``[N, D]``."""
    return shrink(space.forward(space.with_w(repeat(latents, len(w)), w)), pixels).mean(1)


def repeat(latents: Latents, count: int) -> Latents:
    """Return latents of ``count`` times the same sample."""
    rows = {name: row.expand(count, *row.shape[1:]) for name, row in latents.tensors.items()}
    labels = None if latents.labels is None else latents.labels * count
    return replace(latents, seeds=latents.seeds * count, tensors=rows, labels=labels)


def _gram(columns: Tensor, axes: Tensor) -> Tensor:
    """Return J^T J / P ``[D, D]`` from derivatives ``[K, P]`` along axes ``[K, D]``."""
    axes = axes.double().to(columns.device)
    columns = columns.double()
    return (axes.T @ (columns @ columns.T) @ axes / columns.shape[1]).cpu()


def shrink(images: Tensor, pixels: int) -> Tensor:
    """Return RGB images whose longer side has at most ``pixels``; they shrink by means."""
    images = as_rgb(images)
    if max(images.shape[2:]) <= pixels:
        return images
    return F.interpolate(images, within(images.shape[2:], pixels), mode="area")

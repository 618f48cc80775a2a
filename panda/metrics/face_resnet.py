"""dlib's face recognition network: a residual network that describes a face by 128 numbers.

It follows ResNet-34 (He et al., arXiv 1512.03385) with 29 convolutions and half the channels, and
was trained by dlib's author so that faces of one person are less than 0.6 apart. Affine layers are
folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.checkpoints.dlib import read_dlib
from panda.errors import PandaError

SIZE = 150
"""Pixels of the images that it takes."""

MEAN = 122.782, 117.001, 104.298
"""Of its training images in 0 .. 255, by channel: red, green, blue."""

WIDTHS = (32,) * 3 + (64,) * 4 + (128,) * 3 + (256,) * 4
"""Channels of the residual blocks; the first of each number but 32, and the last, halve the map."""

HALVING = 3, 7, 10, 13


class Residual(nn.Module):
    """Two convolutions beside a path that keeps its input, or averages it where the map halves."""

    def __init__(self, before: int, after: int, halves: bool) -> None:
        super().__init__()
        self.halves, self.added = halves, after - before
        stride, padding = (2, 0) if halves else (1, 1)
        self.first = nn.Conv2d(before, after, 3, stride, padding)
        self.second = nn.Conv2d(after, after, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, after, H, W]``."""
        y = self.second(F.relu(self.first(x)))
        kept = F.avg_pool2d(x, 2) if self.halves else x
        # The smaller of both is padded: channels, and a row and a column where 8 become 3 or 4.
        rows, columns = kept.shape[2] - y.shape[2], kept.shape[3] - y.shape[3]
        kept = F.pad(kept, (0, 0, 0, 0, 0, self.added))
        return F.relu(F.pad(y, (0, columns, 0, rows)) + kept)


class FaceResNet(nn.Module):
    """The descriptors of aligned faces."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, 2)
        befores = (32, *WIDTHS)
        self.blocks = nn.Sequential(
            *(
                Residual(before, after, index in HALVING)
                for index, (before, after) in enumerate(zip(befores, WIDTHS, strict=False))
            )
        )
        self.head = nn.Linear(256, 128, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return descriptors ``[N, 128]`` of images ``[N, 3, 150, 150]`` in [-1, 1]."""
        mean = images.new_tensor(MEAN)[:, None, None]
        x = F.relu(self.stem((images.add(1).mul(127.5) - mean) / 256))
        x = self.blocks(F.max_pool2d(x, 3, 2))
        described: Tensor = self.head(x.mean((2, 3)))
        return described


def read_face_resnet(path: Path) -> dict[str, Tensor]:
    """Return the state dict of `FaceResNet` from the published file.

    Raises:
        PandaError: The file is damaged, or its network is another one.
    """
    with torch.device("meta"):
        network = FaceResNet()
    convolutions = [
        (name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)
    ]
    layers = read_dlib(path)
    _expect(path, [kind for kind, _ in layers], ["con_4", "affine_"] * len(convolutions) + ["fc_2"])
    state = {}
    pairs = zip(layers[0:-1:2], layers[1::2], strict=True)
    for (name, module), ((_, weights), (_, affine)) in zip(convolutions, pairs, strict=True):
        assert module.bias is not None
        filters, biases = module.weight.numel(), module.bias.numel()
        _expect(path, [weights.numel(), affine.numel()], [filters + biases, 2 * biases])
        scale, shift = affine[:biases], affine[biases:]
        kernel = weights[:filters].reshape(module.weight.shape)
        state[f"{name}.weight"] = kernel * scale[:, None, None, None]
        state[f"{name}.bias"] = weights[filters:] * scale + shift
    state["head.weight"] = layers[-1][1].T.contiguous()
    return state


def _expect(path: Path, found: Sequence[object], expected: Sequence[object]) -> None:
    """Raise `PandaError` unless the layers are those of the network."""
    if found != expected:
        raise PandaError(f"{path.name} holds another network: {found}, expected {expected}")

"""Projected discriminators (Sauer et al., arXiv 2111.01007): judges of a pretrained net's features.

The features and their random mixing are frozen; four small judges learn, one for each scale. The
finest map has half of the image's resolution, so a fifth judge looks at the pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from panda.metrics.efficientnet import efficientnet_maps

WIDTH = 24
"""Channels of the finest mixed map; each coarser one has twice as many."""


class Features(nn.Module):
    """Frozen: an image's maps at four scales, mixed across channels and scales at random."""

    def __init__(self, device: torch.device, size: int) -> None:
        super().__init__()
        self.size = size
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.backbone = efficientnet_maps(device)
        with torch.no_grad():
            maps = self.backbone(torch.zeros(1, 3, size, size, device=device))
        widths = [WIDTH << k for k in range(len(maps))]
        self.mix = nn.ModuleList(
            nn.Conv2d(found.shape[1], width, 1) for found, width in zip(maps, widths, strict=True)
        )
        self.fuse = nn.ModuleList(
            nn.Conv2d(width, widths[max(k - 1, 0)], 3, padding=1) for k, width in enumerate(widths)
        )
        for conv in [*self.mix, *self.fuse]:
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        self.requires_grad_(False).to(device, self.dtype, memory_format=torch.channels_last)
        self.channels = [3, *(widths[max(k - 1, 0)] for k in range(len(widths)))]
        self.pixels = [size, *(found.shape[-1] * (2 if k else 1) for k, found in enumerate(maps))]

    def look(self, images: Tensor) -> list[Tensor]:
        """Images ``[N, 3, R, R]`` in [-1, 1] to themselves and the maps, fine to coarse.

        Maps are in half precision on a GPU, where they cannot keep it busy in full.
        """
        x = images.contiguous(memory_format=torch.channels_last)
        if x.shape[-1] != self.size:
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        return [x, *self.backbone(x.to(self.dtype))]

    def mixed(self, seen: list[Tensor]) -> list[Tensor]:
        """What `look` saw, as the judges see it."""
        image, *maps = seen
        mixed = [conv(found) for conv, found in zip(self.mix, maps, strict=True)]
        fused: list[Tensor] = []
        coarser: Tensor | None = None
        for k in reversed(range(len(mixed))):
            x = mixed[k] if coarser is None else mixed[k] + coarser
            if k:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            coarser = self.fuse[k](x)
            fused.insert(0, coarser)
        return [image, *(found.float() for found in fused)]


class Judge(nn.Module):
    """One scale's logits ``[N, 4, 4]``; classes speak through a projection (Miyato, Koyama)."""

    def __init__(self, channels: int, pixels: int, classes: int) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        while pixels > 4:
            wider = min(max(2 * channels, 16), 128)
            steps += [_norm(nn.Conv2d(channels, wider, 4, stride=2, padding=1, bias=False))]
            steps += [nn.GroupNorm(8, wider), nn.LeakyReLU(0.2)]
            channels, pixels = wider, pixels // 2
        self.steps = nn.Sequential(*steps)
        self.verdict = _norm(nn.Conv2d(channels, 1, 3, padding=1))
        self.embed = nn.Embedding(classes, channels) if classes else None

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Logits: high means real."""
        x = self.steps(x)
        logits = self.verdict(x)[:, 0]
        if self.embed is not None and label is not None:
            told = self.embed(label)[:, :, None, None]
            logits = logits + (x * told).sum(1) / x.shape[1] ** 0.5
        return logits


class Judges(nn.Module):
    """All scales."""

    def __init__(self, features: Features, classes: int) -> None:
        super().__init__()
        sizes = zip(features.channels, features.pixels, strict=True)
        self.judges = nn.ModuleList(Judge(channels, pixels, classes) for channels, pixels in sizes)

    def forward(self, maps: list[Tensor], label: Tensor | None) -> list[Tensor]:
        """Logits of every scale."""
        return [judge(x, label) for judge, x in zip(self.judges, maps, strict=True)]


def judges_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge loss, summed over the scales."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).sum()


def generator_loss(fake: list[Tensor]) -> Tensor:
    """What the generator lowers, summed over the scales."""
    return torch.stack([-logits.mean() for logits in fake]).sum()


def _norm(conv: nn.Module) -> nn.Module:
    return spectral_norm(conv)

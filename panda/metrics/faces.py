"""Whether a generator makes faces, and a parser that parses each image once."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from panda.metrics.parsing import FaceParser, share

SKIN = 0.1
"""A generator makes faces if half of its images have at least this share of skin, and a nose."""


class OnceParser(FaceParser):
    """A parser of one size with a cache, since every layer is measured on the same images.

    Raises:
        PandaError: Where the weights cannot be fetched.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        self._size = size
        self._cache: dict[bytes, Tensor] = {}

    def __call__(self, images: Tensor, size: int = 512) -> Tensor:
        """See `FaceParser`; ``size`` is ignored, it is that of the constructor."""
        keys = [hashlib.sha256(image.cpu().numpy().tobytes()).digest() for image in images]
        new = [row for row, key in enumerate(keys) if key not in self._cache]
        if new:
            parsed = super().__call__(images[new], self._size)
            self._cache |= dict(zip((keys[row] for row in new), parsed, strict=True))
        return torch.stack([self._cache[key] for key in keys])


def are_faces(parsed: Tensor) -> bool:
    """Return whether at least half of the class maps ``[N, H, W]`` are of faces."""
    faces = (share(parsed, "skin") >= SKIN) & (share(parsed, "nose") > 0)
    return bool(faces.float().mean() >= 0.5)

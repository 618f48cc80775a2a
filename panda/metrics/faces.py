"""Whether images are of faces, and a parser that parses each image once."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from panda.metrics.landmarks import landmarks
from panda.metrics.parsing import FaceParser

LEAST = 0.25
"""The least share of samples that show a face, where a generator makes faces.

Of noise, textures and other things none do. Eight samples are enough to tell: of a generator half
of whose samples are whole faces, at least two of eight are in 96 of 100 draws (and at least four in
64, so that half would be a coin's toss).
"""


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


def show_face(parsed: Tensor) -> Tensor:
    """Return which class maps ``[N, H, W]`` show a face, ``[N]`` bool on the CPU.

    A face has two eyes, a nose and a mouth where they belong (`panda.metrics.landmarks`).
    """
    return torch.tensor([landmarks(each) is not None for each in parsed.cpu()], dtype=torch.bool)


def are_faces(parsed: Tensor) -> bool:
    """Return whether at least a quarter of the class maps ``[N, H, W]`` show a face."""
    return enough_faces(show_face(parsed))


def enough_faces(shown: Tensor) -> bool:
    """Return the same of what `show_face` says of N samples."""
    return bool(shown.float().mean() >= LEAST)

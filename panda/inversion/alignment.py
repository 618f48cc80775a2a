"""Faces cut out of photographs as a generator of faces knows them: upright, everything in place.

Where a face is, is said by the square that FFHQ has around it (Karras et al., arXiv 1812.04948,
appendix A): it follows from the centers of both eyes and of the corners of the mouth, which come
from face parsing here. Where faces are in a generator's images, its own samples tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, nearest
from panda.generators.contract import Generator
from panda.generators.registry import cards
from panda.inversion.landmarks import landmarks
from panda.metrics.parsing import FaceParser
from panda.progress import bar

ACROSS, DOWN, BELOW = 2.0, 1.8, 0.1
"""Half of FFHQ's side, in distances between the eyes or from them to the mouth, the larger one; and
how far below the eyes its center is, in the latter."""

SIZE = 512
"""Pixels at which faces are looked for."""

REFINE = 2
"""So often the square is found again inside the one before."""

SAMPLES = 8
"""Of a generator, for where its faces are."""

FACES = re.compile("face|ffhq|celeb", re.IGNORECASE)
"""In the names of data sets of faces."""


@dataclass(frozen=True)
class Square:
    """A square in a picture, in pixels ``x + iy``: its center, and from there to its right side."""

    center: complex
    right: complex

    @property
    def side(self) -> float:
        """Its length in pixels."""
        return 2 * abs(self.right)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points whose coordinates are -1 to 1 in the square, in pixels."""
        return self.center + points * self.right

    def around(self, inner: Square) -> Square:
        """The square inside of which this one lies as ``inner`` does in that of -1 to 1."""
        right = self.right / inner.right
        return Square(self.center - right * inner.center, right)

    @staticmethod
    def of(marks: np.ndarray) -> Square:
        """FFHQ's square of `landmarks` in pixels."""
        eyes = marks[:2].mean()
        across, down = marks[1] - marks[0], marks[2] - eyes
        way = across - 1j * down
        half = max(ACROSS * abs(across), DOWN * abs(down))
        return Square(complex(eyes + BELOW * down), complex(way / abs(way) * half))


def makes_faces(name: str) -> bool:
    """Whether a generator is of faces, by its data set, or by the name of its file."""
    known = cards()
    return bool(FACES.search(known[name].dataset if name in known else name))


def to_pictures(
    generator: Generator, photographs: Sequence[tuple[str, Tensor]], *, align: str = "auto"
) -> Tensor:
    """Photographs, names and ``[3, H, W]`` in [-1, 1], as pictures ``[N, 3, R, R]`` of a generator.

    ``align`` is ``"always"``: the largest face of each comes to where the generator's own faces
    are; ``"never"``: the middle square is taken; ``"auto"``: always for generators of faces. Raises
    `PandaError` for another word, a photograph without a face, and where ``"always"`` meets a
    generator whose samples show none; face parsing's weights are needed for faces alone.
    """
    words = ("auto", "always", "never")
    if align not in words:
        raise PandaError(f"there is no alignment {align!r}{nearest(align, words)}")
    size = generator.resolution
    if align == "never" or (align == "auto" and not makes_faces(generator.name)):
        return torch.stack([cut(one, _middle(one), size) for _, one in photographs])
    parser = FaceParser(generator.device)
    own, images = framing(generator, parser), []
    for name, photograph in photographs:
        square = find_face(parser, photograph)
        if square is None:
            raise PandaError(
                f"{name}: no face with two eyes and a mouth was found; cut the photograph to the"
                " head, or, where it is aligned already, give '--align never'"
            )
        images.append(cut(photograph, square.around(own), size))
    return torch.stack(images)


def _middle(photograph: Tensor) -> Square:
    height, width = photograph.shape[1:]
    return Square(complex(width / 2, height / 2), complex(min(height, width) / 2))


def framing(generator: Generator, parser: FaceParser) -> Square:
    """Where FFHQ's square lies in the generator's images, whose coordinates are -1 to 1.

    The mean over some samples. Raises `PandaError` where less than half of them are faces.
    """
    found = []
    for seed in bar(range(SAMPLES), desc="find the generator's faces", unit="img"):
        with torch.no_grad():
            latents = generator.sample([seed], truncation=generator.usual_truncation)
            marks = landmarks(parser(generator.forward(latents), SIZE)[0])
        if marks is not None:
            found.append(Square.of(marks))
    if 2 * len(found) < SAMPLES:
        raise PandaError(
            f"no faces are seen in the samples of {generator.name}, to which the photograph could"
            " be aligned; give '--align never'"
        )
    centers, rights = zip(*((square.center, square.right) for square in found), strict=True)
    return Square(complex(np.mean(centers)), complex(np.mean(rights)))


def find_face(parser: FaceParser, photograph: Tensor) -> Square | None:
    """FFHQ's square of the largest face of a photograph ``[3, H, W]``; None where there is no face.

    The whole is looked at first, then windows of half its size.
    """
    height, width = photograph.shape[1:]
    whole = max(height, width)
    for side in (whole, whole / 2):
        windows = [
            Square(complex(x, y), complex(side / 2))
            for y in _centers(height, side)
            for x in _centers(width, side)
        ]
        found = [square for one in windows if (square := _look(parser, photograph, one))]
        if found:
            best = max(found, key=lambda square: square.side)
            for _ in range(REFINE):
                best = _look(parser, photograph, best) or best
            return best
    return None


def _centers(length: float, side: float) -> list[float]:
    """Where windows are centered along a length: each about half a side from the next."""
    count = 1 + max(0, round((length - side) / (side / 2)))
    if count == 1:
        return [length / 2]
    return list(np.linspace(side / 2, length - side / 2, count))


def _look(parser: FaceParser, photograph: Tensor, window: Square) -> Square | None:
    """FFHQ's square of the face that is seen in a window."""
    marks = landmarks(parser(cut(photograph, window, SIZE, mirror=False)[None], SIZE)[0])
    return None if marks is None else Square.of(window.place(marks))


def cut(photograph: Tensor, square: Square, size: int, *, mirror: bool = True) -> Tensor:
    """The square of a photograph ``[3, H, W]`` as an image ``[3, size, size]``.

    What lies outside of the photograph is its mirror image, or grey.
    """
    height, width = photograph.shape[1:]
    small = photograph[None]
    shrink = square.side / size
    if shrink > 1:  # as many pixels as are asked for, so that each of them counts
        shape = [max(1, round(length / shrink)) for length in (height, width)]
        small = F.interpolate(small, shape, mode="bilinear", antialias=True)
    steps = (np.arange(size) + 0.5) * 2 / size - 1
    places = square.place(steps + 1j * steps[:, None])
    grid = np.stack([places.real * 2 / width - 1, places.imag * 2 / height - 1], -1)
    where = torch.from_numpy(grid)[None].to(photograph)
    padding = "reflection" if mirror else "zeros"
    return F.grid_sample(small, where, padding_mode=padding, align_corners=False)[0]

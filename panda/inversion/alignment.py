"""Faces cut out of photographs as a generator of faces knows them: upright, everything in place.

The place of a face is the square that FFHQ has around it (Karras et al., arXiv 1812.04948,
appendix A): it follows from the centers of both eyes and of the corners of the mouth, which come
from face parsing. The place of faces in a generator's images is measured on its samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, nearest
from panda.generators.contract import Generator
from panda.generators.faces import makes_faces
from panda.images.channels import as_rgb
from panda.metrics.landmarks import landmarks
from panda.metrics.parsing import FaceParser
from panda.progress import bar
from panda.shapes import Size

ACROSS, DOWN, BELOW = 2.0, 1.8, 0.1
"""FFHQ's square: half of its side in distances between the eyes, or in those from the eyes to the
mouth, whichever is larger; and how far below the eyes its center is, in the latter."""

SIZE = 512
"""Pixels at which images are parsed."""

REFINE = 2
"""Times that the square is measured again inside the previous one."""

SAMPLES = 8
"""Of a generator, on which the place of its faces is measured."""

WHITE = 1.0
"""What transparent photographs lie on, as they do in browsers."""

ALIGNMENTS = ("auto", "always", "never")


@dataclass(frozen=True)
class Square:
    """A square in a picture, turned by any angle.

    Attributes:
        center: In pixels, ``x + iy``.
        right: From the center to the middle of the right side.
    """

    center: complex
    right: complex

    @property
    def side(self) -> float:
        """The length of a side in pixels."""
        return 2 * abs(self.right)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return points in pixels, whose coordinates are -1 to 1 in the square."""
        return self.center + points * self.right

    def around(self, inner: Square) -> Square:
        """Return the square inside of which this one lies as ``inner`` does in that of -1 to 1."""
        right = self.right / inner.right
        return Square(self.center - right * inner.center, right)

    @staticmethod
    def of(marks: np.ndarray) -> Square:
        """Return FFHQ's square of `landmarks` in pixels."""
        eyes = marks[:2].mean()
        across, down = marks[1] - marks[0], marks[2] - eyes
        direction = across - 1j * down
        half = max(ACROSS * abs(across), DOWN * abs(down))
        return Square(complex(eyes + BELOW * down), complex(direction / abs(direction) * half))


def check_align(align: str) -> None:
    """Raise `PandaError` for what is not among `ALIGNMENTS`."""
    if align not in ALIGNMENTS:
        raise PandaError(f"there is no alignment {align!r:.60}{nearest(str(align), ALIGNMENTS)}")


def to_pictures(
    generator: Generator, photographs: Sequence[tuple[str, Tensor]], *, align: str = "auto"
) -> Tensor:
    """Cut photographs to pictures in which faces lie as they do in a generator's images.

    Args:
        generator: Whose images the pictures should be like; face parsing's weights are needed for
            generators of faces alone.
        photographs: Names for errors, and RGB ``[3, H, W]`` or RGBA ``[4, H, W]`` in [-1, 1];
            transparency is on white, but for a generator that has it too.
        align: ``"always"`` brings the largest face of each to where the generator's faces are;
            ``"never"`` takes the middle, as large as it can be; ``"auto"`` is always for generators
            of faces.

    Returns:
        ``[N, C, H, W]`` in [-1, 1], of the generator's size; C is 3, or 4 for RGBA.

    Raises:
        PandaError: For another ``align``, a photograph without a face, and where ``"always"`` meets
            a generator whose samples show none.
    """
    check_align(align)
    size = generator.size
    if generator.channels != 4:
        photographs = [(name, as_rgb(picture, WHITE)) for name, picture in photographs]
    if align == "never" or (align == "auto" and not makes_faces(generator.name)):
        return torch.stack(
            [cut(picture, _middle(picture, size), size) for _, picture in photographs]
        )
    parser = FaceParser(generator.device)
    frame, images = framing(generator, parser), []
    for name, photograph in photographs:
        square = find_face(parser, as_rgb(photograph))
        if square is None:
            raise PandaError(
                f"{name}: no face with two eyes and a mouth was found; cut the photograph to the"
                " head, or, where it is aligned already, give '--align never'"
            )
        images.append(cut(photograph, square.around(frame), size))
    return torch.stack(images)


def _middle(photograph: Tensor, size: Size) -> Square:
    """Return the square around the longer side of the largest image of a size in the middle."""
    height, width = photograph.shape[1:]
    scale = min(height / size[0], width / size[1])
    return Square(complex(width / 2, height / 2), complex(scale * max(size) / 2))


def framing(generator: Generator, parser: FaceParser) -> Square:
    """Return FFHQ's square in a generator's images, in halves of their longer side.

    It is the mean over `SAMPLES` samples.

    Raises:
        PandaError: Where less than half of them are faces.
    """
    squares = []
    for seed in bar(range(SAMPLES), desc="find the generator's faces", unit="img"):
        with torch.no_grad():
            latents = generator.sample([seed], truncation=generator.usual_truncation)
            marks = landmarks(parser(generator.forward(latents), SIZE)[0])
        if marks is not None:
            squares.append(Square.of(marks))
    if 2 * len(squares) < SAMPLES:
        raise PandaError(
            f"no faces are seen in the samples of {generator.name}, to which the photograph could"
            " be aligned; give '--align never'"
        )
    centers, rights = zip(*((square.center, square.right) for square in squares), strict=True)
    return Square(complex(np.mean(centers)), complex(np.mean(rights)))


def find_face(parser: FaceParser, photograph: Tensor) -> Square | None:
    """Return FFHQ's square of the largest face of a photograph ``[3, H, W]``; None without a face.

    The whole is parsed first, then windows of half its size.
    """
    height, width = photograph.shape[1:]
    whole = max(height, width)
    for side in (whole, whole / 2):
        windows = [
            Square(complex(x, y), complex(side / 2))
            for y in _centers(height, side)
            for x in _centers(width, side)
        ]
        squares = [square for each in windows if (square := _look(parser, photograph, each))]
        if squares:
            best = max(squares, key=lambda square: square.side)
            for _ in range(REFINE):
                best = _look(parser, photograph, best) or best
            return best
    return None


def _centers(length: float, side: float) -> list[float]:
    """Return the centers of windows along a length, each about half a side from the next."""
    count = 1 + max(0, round((length - side) / (side / 2)))
    if count == 1:
        return [length / 2]
    return list(np.linspace(side / 2, length - side / 2, count))


def _look(parser: FaceParser, photograph: Tensor, window: Square) -> Square | None:
    """Return FFHQ's square of the face in a window; None without a face."""
    marks = landmarks(parser(cut(photograph, window, (SIZE, SIZE), mirror=False)[None], SIZE)[0])
    return None if marks is None else Square.of(window.place(marks))


def cut(photograph: Tensor, square: Square, size: Size, *, mirror: bool = True) -> Tensor:
    """Return the middle of a square of a photograph ``[C, H, W]`` as an image ``[C, *size]``.

    The longer side of the image is that of the square. What lies outside of the photograph is its
    mirror image, or gray without ``mirror``.
    """
    height, width = photograph.shape[1:]
    small = photograph[None]
    longest = max(size)
    shrink = square.side / longest
    if shrink > 1:  # as many pixels as the image has, so that each of them counts
        shape = [max(1, round(length / shrink)) for length in (height, width)]
        small = F.interpolate(small, shape, mode="bilinear", antialias=True)
    rows, columns = ((2 * np.arange(side) + 1 - side) / longest for side in size)
    places = square.place(columns + 1j * rows[:, None])
    grid = np.stack([places.real * 2 / width - 1, places.imag * 2 / height - 1], -1)
    where = torch.from_numpy(grid)[None].to(photograph)
    padding = "reflection" if mirror else "zeros"
    return F.grid_sample(small, where, padding_mode=padding, align_corners=False)[0]

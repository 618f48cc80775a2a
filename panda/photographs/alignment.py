"""Faces cut out of photographs as a generator of faces knows them: upright, everything in place.

The place of a face is the square that FFHQ has around it (Karras et al., arXiv 1812.04948,
appendix A): it follows from the centers of both eyes and of the corners of the mouth, which are
landmarks of the face mesh. The place of faces in a generator's images is measured on its samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from panda.directions.kept import keep
from panda.errors import PandaError, nearest
from panda.generators.contract import Generator
from panda.generators.faces import makes_faces
from panda.images.channels import as_rgb
from panda.metrics.face_mesh import FaceMesh
from panda.notes import note
from panda.photographs.detection import Face, find_faces
from panda.photographs.squares import Square
from panda.progress import bar
from panda.shapes import Size

LEFT_EYE, RIGHT_EYE = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)
"""Landmarks around the eyes, left in the image first, where dlib's are, by which FFHQ was cut."""

MOUTH = 61, 291
"""Landmarks: the corners of the mouth."""

SMALLEST = 32
"""Pixels that the square around a face needs."""

SAMPLES = 8
"""Of a generator, on which the place of its faces is measured."""

WHOLE = 1e-3
"""The share of a pixel that may lie outside of a photograph, by rounding."""

WHITE = 1.0
"""What transparent photographs lie on, as they do in browsers."""

ALIGNMENTS = ("auto", "always", "never")

FaceChoice = int | Literal["largest", "all"]
"""Which faces of a photograph are meant; numbers count them from the left, from 1."""


@dataclass(frozen=True, eq=False)
class Crop:
    """What was cut out of a photograph.

    Attributes:
        image: ``[C, H, W]`` in [-1, 1], of a generator's size.
        inside: Which share of each pixel is of the photograph, ``[1, H, W]``, and no mirror image
            of what is at its edge; None where all is.
        square: Where it was cut, in pixels of the photograph.
        source: The index of the photograph.
    """

    image: Tensor
    inside: Tensor | None
    square: Square
    source: int


def check_align(align: str) -> None:
    """Raise `PandaError` for what is not among `ALIGNMENTS`."""
    if align not in ALIGNMENTS:
        raise PandaError(f"there is no alignment {align!r:.60}{nearest(str(align), ALIGNMENTS)}")


def check_face(face: object) -> None:
    """Raise `PandaError` for what is no `FaceChoice`."""
    if face not in ("largest", "all") and not (type(face) is int and face >= 1):
        raise PandaError(f"there is no face {face!r:.60}; expected largest, all, or 1, 2, ...")


def to_pictures(
    generator: Generator,
    photographs: Sequence[tuple[str, Tensor]],
    *,
    align: str = "auto",
    face: FaceChoice = "largest",
) -> list[Crop]:
    """Cut photographs to pictures in which faces lie as they do in a generator's images.

    Args:
        generator: Whose images the pictures should be like; the weights of the face mesh are needed
            for generators of faces alone.
        photographs: Names for errors, and RGB ``[3, H, W]`` or RGBA ``[4, H, W]`` in [-1, 1];
            transparency is on white, but for a generator that has it too.
        align: ``"always"`` brings a face of each to where the generator's faces are; ``"never"``
            takes the middle, as large as it can be; ``"auto"`` is always for generators of faces.
        face: Which one, where a photograph has several: the largest, the one of a number from the
            left, or all, each by itself.

    Returns:
        What was cut, in the order of the photographs, and of each of them from the left. Images
        have 3 channels, or 4 for RGBA.

    Raises:
        PandaError: For another ``align``, a photograph without a face or not so many, a face of
            which the photograph's edge cuts an eye or the mouth or that is tiny, and where
            ``"always"`` meets a generator whose samples show none.
    """
    check_align(align)
    check_face(face)
    size = generator.size
    if generator.channels != 4:
        photographs = [(name, as_rgb(picture, WHITE)) for name, picture in photographs]
    if align == "never" or (align == "auto" and not makes_faces(generator.name)):
        return [
            _crop(picture, _middle(picture, size), size, source)
            for source, (_, picture) in enumerate(photographs)
        ]
    mesh = FaceMesh(generator.device)
    frame, crops = framing(generator, mesh), []
    for source, (name, photograph) in enumerate(photographs):
        for found in choose_faces(name, find_faces(mesh, as_rgb(photograph)), face):
            _check_whole(name, found, photograph)
            square = ffhq_square(found).around(frame)
            crops.append(_crop(photograph, square, size, source))
    return crops


def choose_faces(name: str, faces: Sequence[Face], choice: FaceChoice) -> list[Face]:
    """Return the chosen ones of all faces of a photograph, from the left; tell of the others.

    Raises:
        PandaError: Where there is none, or not so many.
    """
    if not faces:
        raise PandaError(
            f"{name}: no face was found; cut the photograph to the head, or, where it is aligned"
            " already, give '--align never'"
        )
    ordered = sorted(faces, key=lambda face: face.square.center.real)
    if choice == "all":
        return ordered
    if choice == "largest":
        if len(faces) > 1:
            number = ordered.index(faces[0]) + 1
            note(
                f"{name}: of {len(faces)} faces the largest is taken, number {number} from the"
                f" left; '--face 1' to '--face {len(faces)}' take another, '--face all' all of them"
            )
        return [faces[0]]
    if choice > len(faces):
        count = "one face was" if len(faces) == 1 else f"{len(faces)} faces were"
        raise PandaError(f"{name}: {count} found, but face {choice} was asked for")
    return [ordered[choice - 1]]


def _check_whole(name: str, face: Face, photograph: Tensor) -> None:
    """Raise `PandaError` where the edge cuts an eye or the mouth of a face, or where it is tiny."""
    height, width = photograph.shape[1:]
    for part, points in (("an eye", (*LEFT_EYE, *RIGHT_EYE)), ("the mouth", MOUTH)):
        places = face.points[list(points)]
        beyond = (places.real < 0) | (places.real > width)
        if (beyond | (places.imag < 0) | (places.imag > height)).any():
            raise PandaError(
                f"{name}: {part} of the face lies outside of the photograph, so that nothing says"
                " how it looks; expected a face with both eyes and the mouth"
            )
    if (side := ffhq_square(face).side) < SMALLEST:
        raise PandaError(
            f"{name}: the head has {side:.0f} x {side:.0f} pixels, expected at least {SMALLEST}"
            " each way; take a larger copy of the photograph"
        )


def ffhq_square(face: Face) -> Square:
    """Return the square that FFHQ has around a face, in pixels."""
    eyes = [complex(face.points[list(eye)].mean()) for eye in (LEFT_EYE, RIGHT_EYE)]
    return Square.of(np.array([*eyes, complex(face.points[list(MOUTH)].mean())]))


def _crop(photograph: Tensor, square: Square, size: Size, source: int) -> Crop:
    inside = cut(torch.ones_like(photograph[:1]), square, size, mirror=False)
    whole = bool((inside > 1 - WHOLE).all())
    return Crop(cut(photograph, square, size), None if whole else inside, square, source)


def _middle(photograph: Tensor, size: Size) -> Square:
    """Return the square around the longer side of the largest image of a size in the middle."""
    height, width = photograph.shape[1:]
    scale = min(height / size[0], width / size[1])
    return Square(complex(width / 2, height / 2), complex(scale * max(size) / 2))


def framing(generator: Generator, mesh: FaceMesh) -> Square:
    """Return FFHQ's square in a generator's images, in halves of their longer side.

    It is the mean over `SAMPLES` samples, and kept in the cache.

    Raises:
        PandaError: Where less than half of them are faces.
    """
    settings = {"samples": SAMPLES, "truncation": generator.usual_truncation}
    kept = keep("framing", settings, generator, lambda: _measure(generator, mesh), kind="framings")
    x, y, across, down = kept["square"].tolist()
    return Square(complex(x, y), complex(across, down))


def _measure(generator: Generator, mesh: FaceMesh) -> dict[str, Tensor]:
    squares = []
    half = max(generator.size) / 2
    middle = complex(generator.size[1], generator.size[0]) / 2
    for seed in bar(range(SAMPLES), desc="find the generator's faces", unit="img"):
        with torch.no_grad():
            latents = generator.sample([seed], truncation=generator.usual_truncation)
            image = generator.forward(latents)[0]
        if square := find_face(mesh, as_rgb(image).clamp(-1, 1)):
            squares.append(Square((square.center - middle) / half, square.right / half))
    if 2 * len(squares) < SAMPLES:
        raise PandaError(
            f"no faces are seen in the samples of {generator.name}, to which the photograph could"
            " be aligned; give '--align never'"
        )
    centers, rights = zip(*((square.center, square.right) for square in squares), strict=True)
    center, right = np.mean(centers), np.mean(rights)
    return {"square": torch.tensor([center.real, center.imag, right.real, right.imag])}


def find_face(mesh: FaceMesh, photograph: Tensor) -> Square | None:
    """Return FFHQ's square of the largest face of a photograph ``[3, H, W]``; None without one."""
    faces = find_faces(mesh, photograph)
    return ffhq_square(faces[0]) if faces else None


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

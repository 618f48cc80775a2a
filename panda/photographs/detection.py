"""Faces anywhere in a photograph, of any size and turned by any angle, with their landmarks.

MediaPipe's detector sees faces of a sixth of its image and more. So it looks at the whole, at
windows of half its size, of a quarter, and, at quarter turns, for faces that are not upright; then
at smaller windows. Where it sees something, the face mesh finds landmarks, twice, and the detector
must see the face again around them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from panda.metrics.face_mesh import AROUND, LEAST, OUTER, SAME, FaceMesh
from panda.metrics.face_networks import CROPPED, DETECTED
from panda.photographs.squares import Square

COARSE, FINE = (1, 2, 4), (8, 16)
"""How many windows go along the longer side; fine ones, where no coarse one has a face."""

TURNS = (1, 1j, -1j, -1)
"""Directions of a window's upper side; others than the first, where no upright face is seen."""

NARROWEST = 64
"""Pixels of a window; smaller ones show no face that is of use."""

BATCH = 64
"""Windows at once."""

AGAIN = 1.5, 2, 3
"""Sides of the squares in which a face must be seen again, in those of the square around it."""

SURE = 0.78
"""The least score of a face: the mean of its first score and of the mean of those seen again."""

REFINE = 2
"""Times that landmarks are found in the square around the previous ones."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photograph.

    Attributes:
        points: Its 478 landmarks in pixels, ``x + iy`` (`panda.metrics.face_mesh`).
        score: The detector's, 0 to 1.
    """

    points: np.ndarray
    score: float

    @property
    def square(self) -> Square:
        """The square around its landmarks, upright where the line between the eyes is level."""
        across = self.points[OUTER[1]] - self.points[OUTER[0]]
        along = across / abs(across)
        turned = self.points[:468] / along
        low = complex(turned.real.min(), turned.imag.min())
        high = complex(turned.real.max(), turned.imag.max())
        size = max((high - low).real, (high - low).imag)
        return Square(complex((low + high) / 2 * along), complex(along * size / 2))


@torch.no_grad()
def find_faces(mesh: FaceMesh, photograph: Tensor) -> list[Face]:
    """Return all faces of a photograph ``[3, H, W]`` in [-1, 1], the largest first.

    Faces that are much smaller than the largest may be missing.
    """
    pyramid = Pyramid(photograph.to(mesh.device, torch.float32))
    for shares, turn in (*((COARSE, turn) for turn in TURNS), (FINE, TURNS[0])):
        seen = [box for share in shares for box in _look(mesh, pyramid, share, turn)]
        faces = _distinct([f for box in _best(seen) if (f := _confirm(mesh, pyramid, box))])
        if faces:
            return sorted(faces, key=lambda face: -face.square.side)
    return []


class Pyramid:
    """A photograph ``[3, H, W]`` at its own size, at half of it, and so on."""

    def __init__(self, photograph: Tensor) -> None:
        self.size = photograph.shape[1:]
        self._levels = [photograph[None]]
        while min(self._levels[-1].shape[2:]) >= 2 * DETECTED:
            self._levels.append(F.avg_pool2d(self._levels[-1], 2))

    def __call__(self, squares: Sequence[Square], pixels: int) -> Tensor:
        """Return squares of one size as images ``[N, 3, pixels, pixels]``; gray is beyond it."""
        shrink = squares[0].side / pixels
        level = min(max(0, math.floor(math.log2(shrink))), len(self._levels) - 1)
        image = self._levels[level]
        height, width = (side * 2**level for side in image.shape[2:])
        steps = (2 * np.arange(pixels) + 1 - pixels) / pixels
        places = np.stack([square.place(steps + 1j * steps[:, None]) for square in squares])
        grid = np.stack([places.real * 2 / width - 1, places.imag * 2 / height - 1], -1)
        where = torch.from_numpy(grid).to(image).reshape(1, -1, pixels, 2)
        seen = F.grid_sample(image, where, align_corners=False)
        return seen.reshape(3, len(squares), pixels, pixels).transpose(0, 1)


@dataclass(frozen=True)
class _Box:
    """What the detector sees: a square in pixels that is upright where the face is."""

    square: Square
    score: float


def _look(mesh: FaceMesh, pyramid: Pyramid, share: int, turn: complex) -> Iterator[_Box]:
    """Yield what the detector sees in windows of a share of a photograph, turned."""
    height, width = pyramid.size
    side = max(height, width) / share
    if share > 1 and side < NARROWEST:
        return
    right = complex(side / 2 * turn)
    windows = [
        Square(complex(x, y), right) for y in _centers(height, side) for x in _centers(width, side)
    ]
    for start in range(0, len(windows), BATCH):
        yield from _detect(mesh, pyramid, windows[start : start + BATCH])


def _centers(length: float, side: float) -> list[float]:
    """Return the centers of windows along a length, half a side from the next at most."""
    count = 1 + max(0, math.ceil((length - side) / (side / 2)))
    if count == 1:
        return [length / 2]
    return list(np.linspace(side / 2, length - side / 2, count))


def _detect(mesh: FaceMesh, pyramid: Pyramid, windows: Sequence[Square]) -> Iterator[_Box]:
    values, logits = mesh.network.detector(pyramid(windows, DETECTED))
    scores = logits.sigmoid()
    for row, anchor in (scores >= LEAST).nonzero().tolist():
        points = torch.view_as_complex(values[row, anchor].contiguous()).cpu().numpy()
        center, _, *eyes = windows[row].place(2 * points - (1 + 1j))[:4]
        size = max(points[1].real, points[1].imag) * windows[row].side
        across = eyes[1] - eyes[0]
        if size > 0 and abs(across) > 0:
            right = across / abs(across) * size / 2
            yield _Box(Square(complex(center), complex(right)), float(scores[row, anchor]))


def _best(boxes: Sequence[_Box]) -> list[_Box]:
    """Return boxes that overlap with none of a higher score."""
    kept: list[_Box] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        if not any(_overlap(box.square, other.square) for other in kept):
            kept.append(box)
    return kept


def _overlap(a: Square, b: Square) -> bool:
    """Return whether upright squares of the same centers and sizes overlap (IoU) by `SAME`."""
    apart = a.center - b.center
    common = [
        max(0.0, min(a.side, b.side, (a.side + b.side) / 2 - abs(way)))
        for way in (apart.real, apart.imag)
    ]
    inner = common[0] * common[1]
    return inner > SAME * (a.side**2 + b.side**2 - inner)


def _confirm(mesh: FaceMesh, pyramid: Pyramid, box: _Box) -> Face | None:
    """Return the face in a box; None where it is none."""
    square = box.square
    for _ in range(REFINE):
        window = Square(square.center, square.right * AROUND)
        places, presence = mesh.network.mesh(pyramid([window], CROPPED).add(1).div(2))
        points = window.place(places[0].cpu().numpy() * 2 / CROPPED - (1 + 1j))
        square = Face(points, box.score).square
    if presence.sigmoid().item() <= LEAST:
        return None
    around = (Square(square.center, square.right * times) for times in AGAIN)
    seen = [mesh.network.detector(pyramid([each], DETECTED))[1].max().sigmoid() for each in around]
    score = (box.score + sum(seen).item() / len(AGAIN)) / 2
    return Face(points, score) if score >= SURE else None


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Return faces without those that are found twice."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not any(_overlap(face.square, other.square) for other in kept):
            kept.append(face)
    return kept

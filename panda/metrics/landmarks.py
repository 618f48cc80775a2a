"""Eyes and mouth of the largest face in a class map (`panda.metrics.parsing`).

This decides what a face is, too: parsing alone sees skin in noise, and even a nose.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from torch import Tensor

from panda.metrics.face_shapes import BROWS, EYES, MOUTH
from panda.metrics.parsing import mask

FACE = ("skin", *BROWS, *EYES, "glasses", "nose", *MOUTH)
"""Classes that make one face where they touch."""

LEAST = 12
"""Pixels that an eye or a mouth must have; fewer are a guess."""

LENS = 0.82
"""How far from the middle of a pair of glasses the eyes are, in standard deviations along it;
measured on generated faces."""

SKEW = 0.5
"""The cosine of the angle between the lines from eye to eye and from eyes to mouth, at most."""

NOSE = 0.1, 0.9
"""Where the nose is on the way from the eyes (0) to the mouth (1), its middle at least and at most;
a turned head moves it aside by `ASIDE` of that way at most."""

ASIDE = 0.6

CORNER = 0.05
"""The share of a mouth's pixels, on either side, that are its corner."""


def landmarks(parsed: Tensor) -> np.ndarray | None:
    """Return the centers of both eyes and of the corners of the mouth in a class map ``[H, W]``.

    Returns:
        Three complex numbers, ``x + iy``, x to the right and y down, from the middle of the map, in
        halves of its longer side (-1 to 1 from side to side of a square map): the eye that is left
        when the face is upright, the other eye, the mouth. None where one of them or the nose is
        missing, or where they cannot be those of one face.
    """
    face = _largest(_where(parsed, *FACE))
    if face is None:
        return None
    mouth, eyes = _largest(_where(parsed, *MOUTH) & face), _eyes(parsed, face)
    if mouth is None or eyes is None:
        return None
    points, across = _points(mouth), eyes[1] - eyes[0]
    along = (points * across.conjugate()).real
    least, most = np.quantile(along, (CORNER, 1 - CORNER))
    corners = (points[along <= least].mean() + points[along >= most].mean()) / 2
    turn = (corners - eyes.mean()) / across  # a right angle, where a face looks straight ahead
    if abs(turn.real) > SKEW * abs(turn):
        return None
    if not _has_nose(parsed, face, eyes.mean(), corners):
        return None
    if turn.imag < 0:
        eyes = eyes[::-1]
    height, width = parsed.shape
    placed: np.ndarray = np.array([*eyes, corners]) + complex(0.5, 0.5)
    return (2 * placed - complex(width, height)) / max(height, width)


def _has_nose(parsed: Tensor, face: np.ndarray, eyes: complex, mouth: complex) -> bool:
    """Return whether there is a nose between the eyes and the mouth, points in pixels."""
    nose = _largest(_where(parsed, "nose") & face)
    if nose is None:
        return False
    place = (_points(nose).mean() - eyes) / (mouth - eyes)
    return bool(NOSE[0] <= place.real <= NOSE[1] and abs(place.imag) <= ASIDE)


def _eyes(parsed: Tensor, face: np.ndarray) -> np.ndarray | None:
    """Return both eyes, in pixels; behind glasses, where they should be."""
    eyes, glasses = _where(parsed, *EYES) & face, _where(parsed, "glasses") & face
    if glasses.sum() > max(eyes.sum(), LEAST):
        points = _points(glasses | eyes)
        values, axes = np.linalg.eigh(np.cov(points.real, points.imag))
        half = LENS * values[1] ** 0.5 * complex(*axes[:, 1])
        return np.array([points.mean() - half, points.mean() + half])
    first = _largest(eyes)
    second = None if first is None else _largest(eyes & ~first)
    if first is None or second is None:
        return None
    return np.array([_points(first).mean(), _points(second).mean()])


def _where(parsed: Tensor, *names: str) -> np.ndarray:
    return np.asarray(mask(parsed[None], *names)[0].cpu())


def _largest(inside: np.ndarray) -> np.ndarray | None:
    """Return the largest connected region of ``[H, W]`` bool; None where that is too small."""
    labels, _ = ndimage.label(inside, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax() if sizes.max() >= LEAST else None


def _points(inside: np.ndarray) -> np.ndarray:
    """Return the pixels of a region ``[H, W]`` bool, ``x + iy``."""
    rows, columns = inside.nonzero()
    return columns + 1j * rows

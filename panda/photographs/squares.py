"""Squares in pictures, turned by any angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ACROSS, DOWN, BELOW = 2.0, 1.8, 0.1
"""FFHQ's square: half of its side in distances between the eyes, or in those from the eyes to the
mouth, whichever is larger; and how far below the eyes its center is, in the latter."""


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
        """Return FFHQ's square of the left eye, the right eye and the mouth, ``[3]`` in pixels."""
        eyes = marks[:2].mean()
        across, down = marks[1] - marks[0], marks[2] - eyes
        direction = across - 1j * down
        half = max(ACROSS * abs(across), DOWN * abs(down))
        return Square(complex(eyes + BELOW * down), complex(direction / abs(direction) * half))

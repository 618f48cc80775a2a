"""Where a frame is on its way: between which two stops, and how far from the one to the other."""

from __future__ import annotations

from dataclasses import dataclass

from panda.errors import PandaError, nearest
from panda.generators.seeds import as_count

EASINGS = ("smooth", "linear")
"""Ways to go from stop to stop: slowly away and slowly there, or always as fast."""

STEP = 24
"""Frames from one stop to the next, by default."""


@dataclass(frozen=True)
class Course:
    """The times of all frames of a walk.

    Attributes:
        frames: Their number. The first is at the first stop; the last is at the last one, or where
            the walk loops, one frame before the first.
        loop: Whether the walk leads back to its first stop.
        easing: One of `EASINGS`.
    """

    frames: int
    loop: bool = False
    easing: str = EASINGS[0]

    @staticmethod
    def of(frames: int | None, legs: int, loop: bool, easing: str) -> Course:
        """Return the course of a walk; without a number of frames, `STEP` for each of its legs.

        Raises:
            PandaError: For fewer than two frames, or another easing.
        """
        if easing not in EASINGS:
            raise PandaError(f"there is no easing {easing!r:.60}{nearest(str(easing), EASINGS)}")
        count = STEP * legs + (not loop) if frames is None else as_count(frames, "frames")
        if count < 2:
            raise PandaError(f"{count} frame is no walk; expected two frames or more")
        return Course(count, bool(loop), easing)

    def legs(self, stops: int) -> int:
        """Return how many ways from stop to stop there are."""
        return stops - 1 + (self.loop and stops > 1)

    def place(self, frame: int, stops: int) -> tuple[int, int, float]:
        """Return between which of some stops a frame is.

        Args:
            frame: Its number, from 0.
            stops: How many there are, at equal times from each other.

        Returns:
            The stop that it comes from, the one that it goes to, and the share of the way.
        """
        legs = self.legs(stops)
        if legs == 0:
            return 0, 0, 0.0
        # In whole numbers, so that a frame at a stop is there to the bit.
        leg, rest = divmod(frame * legs, self.frames if self.loop else self.frames - 1)
        share = rest / (self.frames if self.loop else self.frames - 1)
        if self.easing == "smooth":
            share = share * share * (3 - 2 * share)
        return leg, (leg + 1) % stops if share else leg, share

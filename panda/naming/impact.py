"""In which order appearances are shown: those with a visible, stable and clean effect first."""

from __future__ import annotations

from dataclasses import dataclass

VISIBLE = 0.01
"""The least change inside a part that shows, as a share of the range of images."""

BROKEN = " (breaks the picture)"
"""What marks an edit that does so; see `panda.naming.realism`."""


@dataclass(frozen=True)
class Impact:
    """What adding an appearance of a part does.

    Attributes:
        inside: The mean change inside the part, as a share of the range of images.
        outside: The same, outside of it.
        named: Whether a measure of the part itself changes enough to give the effect a name.
        stable: Whether halves of the samples agree on the part and the appearance.
        broken: Whether the picture breaks.
    """

    inside: float
    outside: float
    named: bool = False
    stable: bool = True
    broken: bool = False

    @property
    def visible(self) -> bool:
        """Whether anybody would see it."""
        return self.named or self.inside >= VISIBLE

    @property
    def clean(self) -> float:
        """The change inside over that inside and outside, in [0, 1]: 1 stays in the part."""
        return self.inside / max(self.inside + self.outside, 1e-9)

    @property
    def rank(self) -> tuple[bool, bool, bool, float]:
        """The key to sort by.

        Last come those that break the picture, before them those that are unstable, before them
        those that nobody sees. Otherwise it is by the change inside times how clean it is.
        """
        return self.broken, not self.stable, not self.visible, -self.inside * self.clean

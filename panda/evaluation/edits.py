"""The edits of the paper's Table 1: where each acts, and what must change for it to count."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from panda.errors import PandaError, nearest


@dataclass(frozen=True)
class EditGoal:
    """What an edit is for.

    Attributes:
        region: Where it acts, a name of `panda.metrics.regions`.
        shape: The measure of `panda.metrics.face_shapes` that must grow.
        least: By how much at least: a share of the measure before the edit.
        absolute: Whether ``least`` is a share of the image instead.
    """

    region: str
    shape: str
    least: float
    absolute: bool = False

    def effect(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the growth ``[N]`` in units of ``least``: 1 is enough, NaN is without measure."""
        growth = after - before
        return growth / self.least if self.absolute else growth / (before * self.least)


EDITS = {
    "eyes": EditGoal("eyes", "eye area", 0.10),
    "nose": EditGoal("nose", "nose length", 0.03),
    "open_mouth": EditGoal("mouth", "mouth opening", 0.002, absolute=True),
    "smile": EditGoal("mouth", "mouth width", 0.04),
}


def find_edits(text: str) -> dict[str, EditGoal]:
    """Return edits by their names, separated by commas.

    Raises:
        PandaError: For a name that is not among `EDITS`, and where there is no name.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in EDITS:
            raise PandaError(f"there is no edit {name!r}{nearest(name, EDITS)}")
    if not names:
        raise PandaError(f"no edits were given; valid: {', '.join(EDITS)}")
    return {name: EDITS[name] for name in names}

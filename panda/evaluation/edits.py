"""Edits of faces: where each acts, and what must change for it to count; first the paper's four."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from panda.errors import PandaError, nearest


@dataclass(frozen=True)
class EditGoal:
    """What an edit is for.

    Attributes:
        region: Where it acts, a name of `panda.metrics.regions`.
        measure: What must change, of `panda.evaluation.faces.measures`.
        least: By how much at least: a share of the measure before the edit. Negative where the
            measure must shrink.
        absolute: Whether ``least`` is a share of the image instead.
        landmarks: The measure of `panda.metrics.face_mesh.mesh_measures` that confirms it, if any.
    """

    region: str
    measure: str
    least: float
    absolute: bool = False
    landmarks: str = ""

    @property
    def words(self) -> str:
        """One unit of the effect, such as ``eye area +10 %``."""
        if self.absolute:
            if "brightness" in self.measure:  # of images in [-1, 1]
                return f"{self.measure} {50 * self.least:+g} % of the way from black to white"
            return f"{self.measure} {100 * self.least:+g} % of the image"
        return f"{self.measure} {100 * self.least:+.0f} %"

    def effect(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the change ``[N]`` in units of ``least``: 1 is enough, NaN is without measure."""
        growth = after - before
        return growth / self.least if self.absolute else growth / (before * self.least)


EDITS = {
    "eyes": EditGoal("eyes", "eye area", 0.10, landmarks="eye opening"),
    "nose": EditGoal("nose", "nose length", 0.03, landmarks="nose length"),
    "open_mouth": EditGoal("mouth", "mouth opening", 0.002, True, "mouth opening"),
    "smile": EditGoal("mouth", "lip corners", 0.01, True, "corner rise"),
    "wide_mouth": EditGoal("mouth", "mouth width", 0.04, landmarks="mouth width"),
    "closed_eyes": EditGoal("eyes", "eye area", -0.40, landmarks="eye opening"),
    "narrow_nose": EditGoal("nose", "nose width", -0.06, landmarks="nose width"),
    "high_brows": EditGoal("brows", "brow height", 0.10, landmarks="brow height"),
    "dark_hair": EditGoal("hair", "hair brightness", -0.20, absolute=True),
    "light_hair": EditGoal("hair", "hair brightness", 0.20, absolute=True),
    "long_hair": EditGoal("hair", "hair area", 0.15),
    "bald": EditGoal("hair", "hair area", -0.50),
    "plain_background": EditGoal("background", "background detail", -0.30),
}
"""What people ask for, by name. The lift of the mouth's corners makes a smile, not its width."""


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

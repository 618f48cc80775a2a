"""The edits of the paper's Table 1: where each acts, and what must change for it to count."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda.errors import PandaError, nearest


@dataclass(frozen=True)
class Wanted:
    """An edit: its region, the measure of `face_shapes` that must grow, and by how much at least.

    ``least`` is a share of the measure before, or of the image where ``absolute``.
    """

    region: str
    shape: str
    least: float
    absolute: bool = False

    def effect(self, before: Tensor, after: Tensor) -> Tensor:
        """The growth ``[N]`` in units of ``least``; 1 is enough, NaN where there is no measure."""
        growth = after - before
        return growth / self.least if self.absolute else growth / (before * self.least)


EDITS = {
    "eyes": Wanted("eyes", "eye area", 0.10),
    "nose": Wanted("nose", "nose length", 0.03),
    "open_mouth": Wanted("mouth", "mouth opening", 0.002, absolute=True),
    "smile": Wanted("mouth", "mouth width", 0.04),
}


def find_edits(text: str) -> dict[str, Wanted]:
    """Edits by names with commas; raises `PandaError` for one that there is not."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in EDITS:
            raise PandaError(f"there is no edit {name!r}{nearest(name, EDITS)}")
    if not names:
        raise PandaError(f"no edits were given; valid: {', '.join(EDITS)}")
    return {name: EDITS[name] for name in names}


def mean(values: Tensor) -> float:
    """The mean of the numbers among values; 0 where there is none."""
    found = values[torch.isfinite(values)]
    return float(found.mean()) if len(found) else 0.0

"""What two networks see of edits that had no part in choosing them: landmarks, and identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.evaluation.edits import EditGoal
from panda.metrics.face_mesh import FaceMesh, mesh_measures
from panda.metrics.identity import Identity, identity_distance


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen of N images.

    Attributes:
        measures: Of their landmarks by name, ``[N]``; NaN without a face.
        identities: Descriptors ``[N, 128]``.
    """

    measures: Mapping[str, Tensor]
    identities: Tensor


class Witnesses:
    """Face mesh and identity; their weights are fetched once.

    Args:
        device: Where they run.

    Raises:
        PandaError: Where the weights cannot be fetched.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._mesh = FaceMesh(device)
        self._identity = Identity(device, mesh=self._mesh)

    def look(self, images: Tensor) -> Seen:
        """Look at images ``[N, channels, H, W]`` in [-1, 1]."""
        landmarks = self._mesh(images)
        return Seen(mesh_measures(landmarks), self._identity(images, landmarks))


def compare(before: Seen, after: Seen, goal: EditGoal) -> dict[str, Tensor]:
    """Return what an edit did to N faces, ``[N]`` each; NaN where a face is not seen.

    Returns:
        ``identity``, the distance of descriptors (0.6: somebody else); and ``landmarks`` where the
        goal has such a measure: how far it went the wanted way, in distances between the eyes.
    """
    figures = {"identity": identity_distance(before.identities, after.identities)}
    if goal.landmarks:
        change = after.measures[goal.landmarks] - before.measures[goal.landmarks]
        figures["landmarks"] = change if goal.least > 0 else -change
    return figures

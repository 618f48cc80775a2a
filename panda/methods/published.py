"""Direction files that others have published: .npy of 1 x D, one direction of w each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError
from panda.files.npy import read_npy
from panda.generators.contract import Generator
from panda.generators.latent_spaces import w_space
from panda.methods.changes import Change, WChange
from panda.methods.method import Method
from panda.metrics.regions import Regions


@dataclass(frozen=True)
class Published(Method):
    """Nothing is fitted: the edits are the direction files that it is given."""

    name = "published"
    source = "direction files"

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """None; raises `PandaError` without w."""
        w_space(generator, "a published direction")
        return {}


def read_directions(
    files: list[Path], generator: Generator, start: int = 4, stop: int = 8
) -> dict[str, Change]:
    """Read files as edits of the slots ``start`` to ``stop - 1``, named as the files are.

    Nothing is ever unpickled. Raises `PandaError` for anything but a 1 x D float array of a
    direction in this generator's w.
    """
    size = len(w_space(generator, "a published direction").w_mean)
    found: dict[str, Change] = {}
    for file in files:
        matrix = read_npy(file)
        if matrix.shape != (1, size) or not bool(matrix.norm() > 0):
            raise PandaError(f"{file} is {list(matrix.shape)}, expected a direction [1, {size}]")
        found[f"{file.stem} (published)"] = WChange(matrix[0], start, stop)
    return found

"""Direction files that others have published: a direction of w each, as .npy of 1 x D."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from panda.directions.changes import Change, WChange
from panda.directions.method import Method
from panda.errors import PandaError
from panda.files.npy import read_npy
from panda.generators.contract import Generator
from panda.generators.latent_spaces import w_space
from panda.metrics.regions import Regions


@dataclass(frozen=True)
class Published(Method):
    """A method without a fit: its edits are the direction files alone (`read_directions`)."""

    name = "published"
    source = "direction files"

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """Return no edits; raise `PandaError` where the generator has no w."""
        w_space(generator, "a published direction")
        return {}


def read_directions(
    files: list[Path], generator: Generator, start: int = 4, stop: int = 8
) -> dict[str, Change]:
    """Read direction files as edits, named after the files; nothing is ever unpickled.

    Args:
        files: Arrays of 1 x D floats.
        generator: A generator whose w has D dimensions.
        start: The first slot that is moved.
        stop: The slot after the last that is moved.

    Raises:
        PandaError: Where a file is something else.
    """
    size = len(w_space(generator, "a published direction").w_mean)
    edits: dict[str, Change] = {}
    for file in files:
        matrix = read_npy(file)
        if matrix.shape != (1, size) or not bool(matrix.norm() > 0):
            raise PandaError(f"{file} is {list(matrix.shape)}, expected a direction [1, {size}]")
        edits[f"{file.stem} (published)"] = WChange(matrix[0], start, stop)
    return edits

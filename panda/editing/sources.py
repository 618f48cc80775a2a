"""What an edit takes from elsewhere than factors: a direction in a file, or another sample."""

from __future__ import annotations

import re
from pathlib import Path

from panda.directions.changes import LatentChange, MixChange, WChange, ZChange
from panda.errors import PandaError
from panda.files.npy import read_npy
from panda.files.tilde import expand
from panda.generators.contract import Generator
from panda.generators.latent_spaces import WSpace, w_space, z_space

SOURCE = (
    r"(?:seed(?P<seed>[0-9]{1,10})|(?P<file>[^:#\n]{1,300}\.npy))"
    r"(?:#(?P<first>[0-9]{1,3})(?:-(?P<last>[0-9]{1,3}))?)?"
)
"""``FILE.npy`` or ``seed7``, with ``#4-7`` for a range of slots. See `find_source`."""


def is_source(text: object) -> bool:
    """Return whether an appearance is not of the factors, but such as `find_source` takes."""
    return isinstance(text, str) and re.fullmatch(SOURCE, text) is not None


def find_source(text: str, generator: Generator, label: int | None = None) -> LatentChange:
    """Return the change of latents that is meant.

    Args:
        text: ``"smile.npy"``, a direction of w (of z, where there is no w) as 1 x D floats; or
            ``"seed7"``, the way to the sample of that seed, at the usual truncation. ``"#4-7"``
            after it moves these slots of w alone, counted from 0.
        generator: The generator whose latents move.
        label: The class of the other sample, such as that of the factors; by default it follows
            from the seed.

    Raises:
        PandaError: Where the generator has no such latents or slots, or the file is no direction.
    """
    match = re.fullmatch(SOURCE, text)
    if match is None:
        raise PandaError(f"{text!r:.60} is no source of a change; expected FILE.npy or seed7")
    start, stop = _slots(text, match, generator)
    if match["seed"]:
        seed, psi = int(match["seed"]), generator.usual_truncation
        other = generator.sample([seed], truncation=psi, label=label)
        return MixChange(other, start, stop)
    matrix = read_npy(expand(Path(match["file"])))
    if isinstance(generator, WSpace):
        space, size = "w", len(generator.w_mean)
    else:
        space, size = "z", z_space(generator, f"the direction {text}").z_weight().shape[1]
    if tuple(matrix.shape) != (1, size):
        raise PandaError(
            f"{match['file']} is {list(matrix.shape)}, expected a direction of {space} of"
            f" {generator.name}, [1, {size}]"
        )
    if not bool(matrix.isfinite().all()) or not bool(matrix.any()):
        what = "is zero" if bool(matrix.isfinite().all()) else "has NaN or infinite values"
        raise PandaError(f"{match['file']} {what}, which is no direction")
    return WChange(matrix[0], start, stop) if space == "w" else ZChange(matrix[0])


def _slots(text: str, match: re.Match[str], generator: Generator) -> tuple[int, int | None]:
    """Return the first slot that is moved, and the one after the last."""
    if match["first"] is None:
        return 0, None
    count = len(w_space(generator, f"a range of slots ({text})").slots)
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not first <= last < count:
        raise PandaError(f"{text}: {generator.name} has slots 0 to {count - 1}")
    return first, last + 1

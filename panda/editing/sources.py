"""What an edit takes from elsewhere than factors: a direction, another sample, a photograph."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from panda.directions.changes import LatentChange, MixChange, SeedChange, WChange, ZChange
from panda.directions.named import Named, Slots, check_method, find_direction
from panda.editing.arrays import Array
from panda.editing.syntax import SOURCE
from panda.errors import PandaError
from panda.files.npy import read_npy
from panda.files.tilde import expand
from panda.generators.contract import Generator, Latents
from panda.generators.labels import Label
from panda.generators.latent_spaces import has_w, unwrapped, w_space, z_space


def is_source(text: object) -> bool:
    """Return whether an appearance is not of the factors, but such as `find_source` takes."""
    return isinstance(text, str) and re.fullmatch(SOURCE, text) is not None


def check_source(text: str) -> None:
    """Raise `PandaError` where a source is of a method that there is not."""
    match = re.fullmatch(SOURCE, text)
    if match is not None and match["method"]:
        check_method(match["method"])


def find_source(
    source: str | Array, generator: Generator, label: Label | None = None, layer: str = ""
) -> Named:
    """Return the change of latents that is meant, or that of features at a layer.

    Args:
        source: An array or a file ``"smile.npy"``: a direction of w (of z, where there is no w), D
            floats; ``"seed7"``, the way to the sample of that seed, at the usual truncation and in
            the class of the sample that moves; ``"me/photo0"``, the way to a photograph of a folder
            that `panda invert` wrote; or a direction of a method, such as ``"sefa/3"``
            (`panda.directions.named`). ``"#4-7"`` after it moves these slots of w alone, counted
            from 0.
        generator: The generator whose latents move.
        label: The class of the sample of a seed, such as that of the factors, where that of the
            sample that moves is not known; by default it follows from the seed.
        layer: Where the change acts, which is the layer whose features ``"loco/eyes.0"`` moves; by
            default the usual one.

    Raises:
        PandaError: Where the generator has no such latents or slots, or there is no such source.
    """
    if isinstance(source, Array):
        return _direction(source.values, "the direction", generator, None)
    match = re.fullmatch(SOURCE, source)
    if match is None:
        raise PandaError(
            f"{source!r:.60} is no source of a change; expected FILE.npy, seed7, FOLDER/photo0 or"
            " METHOD/NUMBER"
        )
    slots = _slots(source, match, generator)
    if match["file"]:
        matrix = read_npy(expand(Path(match["file"])))
        return _direction(matrix, match["file"], generator, slots)
    if match["method"]:
        return find_direction(match["method"], match["key"], generator, slots, layer)
    start, stop = slots or (0, None)
    if match["seed"]:
        return SeedChange(int(match["seed"]), start, stop, label)
    other = find_photograph(match["folder"], int(match["photo"] or 0), unwrapped(generator))
    return MixChange(other, start, stop)


def _direction(matrix: Tensor, name: str, generator: Generator, slots: Slots) -> LatentChange:
    """Return the change along a direction ``[D]`` or ``[1, D]``."""
    if has_w(generator):
        space, size = "w", len(w_space(generator, name).w_mean)
    else:
        space, size = "z", z_space(generator, f"the direction {name}").z_weight().shape[1]
    if tuple(matrix.shape) not in ((1, size), (size,)):
        raise PandaError(
            f"{name} is {list(matrix.shape)}, expected a direction of {space} of {generator.name},"
            f" [1, {size}]"
        )
    if not bool(matrix.isfinite().all()) or not bool(matrix.any()):
        what = "is zero" if bool(matrix.isfinite().all()) else "has NaN or infinite values"
        raise PandaError(f"{name} {what}, which is no direction")
    row = matrix.reshape(-1)
    return WChange(row, *(slots or (0, None))) if space == "w" else ZChange(row)


def find_photograph(folder: str, photo: int, generator: Generator) -> Latents:
    """Return the sample that `panda invert` found for a photograph of a folder.

    Raises:
        PandaError: Where the folder has no such photograph, or is of another generator.
    """
    from panda.inversion.inversion import Inversion  # whose room loads what measures images

    inversion = Inversion.load(folder)
    if photo >= len(inversion):
        raise PandaError(
            f"there is no {folder}/photo{photo}; the folder has photo0 to photo{len(inversion) - 1}"
        )
    return inversion.latents_for(generator)[photo]


def _slots(text: str, match: re.Match[str], generator: Generator) -> Slots:
    """Return the first slot that is moved, and the one after the last; None without ``#``."""
    if match["first"] is None:
        return None
    count = len(w_space(generator, f"a range of slots ({text})").slots)
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not first <= last < count:
        raise PandaError(f"{text}: {generator.name} has slots 0 to {count - 1}")
    return first, last + 1

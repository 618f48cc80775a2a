"""Natural input: paths, layers and seeds, checked and in one form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from panda.errors import PandaError, nearest
from panda.files.tilde import expand
from panda.generators.contract import Generator, Layer


def as_path(value: object, what: str) -> Path:
    """Return text or a path as a `Path`; raises `PandaError` for anything else."""
    if not isinstance(value, str | os.PathLike):
        raise PandaError(f"{what} is {value!r:.60}, expected the path of a folder")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise PandaError(f"{what} is {value!r:.60}, expected the path of a folder as text")
    return expand(path)


def compact_seeds(seeds: Sequence[int]) -> str | list[int]:
    """Return consecutive seeds as text such as ``"0-999"``, others as a list."""
    run = range(seeds[0], seeds[0] + len(seeds))
    return f"{run[0]}-{run[-1]}" if list(seeds) == list(run) else list(seeds)


def joined_seeds(seeds: str | Sequence[int]) -> str:
    """Return what `compact_seeds` returns as text only: ``"0-999"``, ``"3,5,9"``."""
    return seeds if isinstance(seeds, str) else ",".join(map(str, seeds))


def find_layer(generator: Generator, layer: str) -> Layer:
    """Return a generator's layer; raise `PandaError` where either is something else."""
    if not isinstance(generator, Generator):
        raise PandaError(
            f"generator is {generator!r:.60}, expected what panda.create_generator(NAME) returns,"
            " or a TorchModule around a module of your own"
        )
    if not isinstance(layer, str):
        raise PandaError(f"layer is {layer!r:.60}, expected a name{nearest('', generator.layers)}")
    return generator.layer(layer)

"""Factors that are kept in the cache: fitted when they are first asked for, there ever after."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.files.cache import home
from panda.generators.contract import Generator
from panda.generators.registry import is_file
from panda.generators.seeds import parse_numbers

SEEDS = "0-999"
PARTS = 8


def kept_folder(
    generator: str, layer: str, parts: int, appearances: int, seeds: str = SEEDS
) -> Path:
    """Where the cache keeps such factors; those of a file have another place when it changes."""
    name = generator
    if is_file(generator):
        path = Path(generator).resolve()
        facts = path.stat()
        mark = f"{path} {facts.st_size} {facts.st_mtime_ns}"
        name = f"{path.stem}-{hashlib.sha256(mark.encode()).hexdigest()[:12]}"
    ranks = f"{parts}-{appearances}"
    if len(seeds) > 40:
        seeds = hashlib.sha256(seeds.encode()).hexdigest()[:12]
    return home() / "factors" / _plain(name) / f"{_plain(layer)}-{ranks}-{seeds}"


def fit_kept(
    generator: Generator,
    layer: str,
    *,
    parts: int = PARTS,
    appearances: int | None = None,
    seeds: str = SEEDS,
) -> Factors:
    """The kept factors of these ranks and seeds, fitted now where there are none.

    Kept ones that are damaged, or of another form of the generator, are fitted again. Raises
    `PandaError` as `fit` does, and where the cache cannot be written.
    """
    channels = appearances or generator.layer(layer).channels
    folder = kept_folder(generator.name, layer, parts, channels, seeds)
    if folder.exists():
        try:
            factors = Factors.load(folder)
            factors.check(generator)
            return factors
        except PandaError:
            pass
    numbers = parse_numbers(seeds)
    factors = fit(generator, layer, parts=parts, appearances=channels, seeds=numbers)
    shutil.rmtree(folder, ignore_errors=True)  # damaged ones, which `save` would not replace
    factors.save(folder)
    return factors


def _plain(name: str) -> str:
    """The name with nothing in it that a file name cannot have."""
    return re.sub(r"[^A-Za-z0-9._@-]", "_", name).lstrip(".") or "_"

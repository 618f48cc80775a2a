"""Factors in the cache: fitted when they are first asked for, and loaded after that."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import SupportsIndex

from panda.errors import PandaError
from panda.factorization.factor_files import WEIGHTS
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.factorization.inputs import compact_seeds, find_layer, joined_seeds
from panda.files.cache import home
from panda.files.locks import hold_folder
from panda.files.ownership import MANIFEST
from panda.generators.contract import Generator
from panda.generators.registry import is_file, refer
from panda.generators.seeds import Seeds, as_seeds

SEEDS = "0-999"
PARTS = 8


def cached_folder(
    generator: str,
    layer: str,
    parts: SupportsIndex,
    appearances: SupportsIndex,
    seeds: Seeds = SEEDS,
) -> Path:
    """Return the folder of the cache for these factors.

    Args:
        generator: A generator's name, or the path of a checkpoint file, with its options and label;
            when the file changes, so does the folder.
        layer: The name of the layer.
        parts: R_S.
        appearances: R_C.
        seeds: The samples, as in `panda.factorization.fit.fit`.
    """
    name = refer(generator).name
    rest = generator[len(name) :]  # options and a label, which may be any text
    if is_file(name):
        path = Path(name).resolve()
        facts = path.stat()
        mark = f"{path} {facts.st_size} {facts.st_mtime_ns}"
        name = f"{path.stem}-{_digest(mark)}"
    name += f"-{_digest(rest)}" if rest else ""
    text = joined_seeds(compact_seeds(as_seeds(seeds)))
    text = _digest(text) if len(text) > 40 else text
    return home() / "factors" / _plain(name) / f"{_plain(layer)}-{parts}-{appearances}-{text}"


def fit_cached(
    generator: Generator,
    layer: str,
    *,
    parts: SupportsIndex = PARTS,
    appearances: SupportsIndex | None = None,
    seeds: Seeds = SEEDS,
) -> Factors:
    """Return factors from the cache, after fitting them where it has none.

    Factors that are damaged, or of another version of the generator, are fitted again. Of several
    threads or processes that ask for the same ones, one fits and the others wait. For the arguments
    see `panda.factorization.fit.fit`.

    Raises:
        PandaError: As `fit` does, and where the cache cannot be written.
    """
    channels = find_layer(generator, layer).channels if appearances is None else appearances
    folder = cached_folder(generator.name, layer, parts, channels, seeds)
    if (factors := _load(folder, generator)) is not None:
        return factors
    with hold_folder(folder.parent, f".{folder.name}.lock", wait=True):
        if (factors := _load(folder, generator)) is not None:
            return factors  # which another thread or process has fitted meanwhile
        factors = fit(generator, layer, parts=parts, appearances=channels, seeds=seeds)
        for name in (WEIGHTS, "config.json", MANIFEST):  # damaged, which `save` would not replace
            (folder / name).unlink(missing_ok=True)
        factors.save(folder)
    return factors


def _load(folder: Path, generator: Generator) -> Factors | None:
    """Return a generator's factors from the cache; None where it has none that are whole."""
    if not folder.exists():
        return None
    try:
        factors = Factors.load(folder)
        factors.check(generator)
    except PandaError:
        return None
    return factors


def _digest(text: str) -> str:
    """Return twelve characters that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(name: str) -> str:
    """Replace what a file name cannot have."""
    return re.sub(r"[^A-Za-z0-9._@-]", "_", name).lstrip(".") or "_"

"""Edits by name or file: how they are found, and the factors that they are for."""

from __future__ import annotations

import re

from panda.editing.edit_files import NamedEdit, named_edits, read_edits
from panda.errors import PandaError, nearest
from panda.factorization.cached import fit_cached
from panda.factorization.factors import Factors
from panda.files.tilde import expand
from panda.generators.contract import Generator
from panda.generators.identity import check_weights
from panda.generators.one_class import of_all_classes
from panda.generators.registry import create_generator, is_file, refer

FILE = re.compile(r"(.+\.json)(?::(.+))?")
"""``FILE.json`` or ``FILE.json:NAME``."""


def find_named(text: str, generator: str = "") -> tuple[str, NamedEdit]:
    """Return the name and the edit of a name, or of ``FILE.json`` or ``FILE.json:NAME``.

    Args:
        text: The name or file.
        generator: Whose edits come first, and alone are suggested by an error; by default those of
            all.

    Raises:
        PandaError: Where there is none.
    """
    file = FILE.fullmatch(text)
    zoo = read_edits(file[1]) if file else named_edits(generator)
    name = (file[2] or (next(iter(zoo)) if len(zoo) == 1 else "")) if file else text
    if name not in zoo:
        usable = [
            each
            for each, edit in zoo.items()
            if file or generator in ("", edit.generator) or is_file(generator)
        ]
        listed = "a name that 'panda edits' lists, " if usable else ""
        raise PandaError(
            f"{text!r:.200} is no edit{nearest(name, usable)}; expected PARTS:APPEARANCE:STRENGTH"
            f" such as 3:12:30, {listed}or FILE.json:NAME"
        )
    return name, zoo[name]


def beside(file: str, path: str) -> str:
    """Return a path that is relative to the folder of an edit file, from here."""
    return (
        path if path.startswith("~") else str(expand(file).parent / path) + "/" * (path[-1] == "/")
    )


def check_factors(name: str, edit: NamedEdit, factors: Factors) -> None:
    """Raise `PandaError` unless the factors can be those that an edit is for.

    Where both know the weights of their generator, these decide. Else a generator that is a file of
    the user's own may be any. Layer and ranks must match.
    """
    known = bool(edit.weights and factors.digest)
    if known and edit.weights != factors.digest:
        raise PandaError(
            f"edit {name!r} is for {edit.generator} with weights of sha256 {edit.weights[:16]}...,"
            f" but these are factors of {factors.generator} with {factors.digest[:16]}..."
        )
    channels, count = factors.appearances.shape[1], factors.parts.shape[1]
    expected = (edit.layer, edit.appearances, edit.parts)
    other = edit.generator != factors.generator and not (known or is_file(factors.generator))
    other |= refer(edit.generator).options != refer(factors.generator).options
    if other or expected != (factors.layer.name, channels, count):
        raise PandaError(
            f"edit {name!r} is for {edit.appearances} appearances and {edit.parts} parts of"
            f" {edit.generator} {edit.layer}, but these are {channels} and {count} of"
            f" {factors.generator} {factors.layer.name}"
        )
    if edit.seeds and edit.seeds != factors.seeds:
        actual = f"of seeds {factors.seeds}" if factors.seeds else "others"
        raise PandaError(
            f"edit {name!r} is for factors fitted on seeds {edit.seeds}, but these are {actual:.60}"
        )


def factors_of(
    name: str, edit: NamedEdit, generator: Generator | None = None, *, device: str = "cpu"
) -> Factors:
    """Return the factors that a named edit is for, from the cache or fitted now.

    Args:
        name: What the edit is called.
        edit: The edit.
        generator: Its generator, where that is loaded.
        device: Where it is loaded otherwise.

    Raises:
        PandaError: Where the edit does not say on which seeds they were fitted, and where its
            generator cannot be loaded or is another one.
    """
    if generator is not None and (edit.weights or not is_file(generator.name)):
        zoo = named_edits(generator.name).items()
        own = ", ".join(each for each, other in zoo if other.generator == generator.name)
        remedy = f"it has {own}" if own else "'panda presets' makes edits for it"
        check_weights(generator, f"edits ({name!r:.60})", edit.generator, edit.weights, remedy)
    if not edit.seeds:
        raise PandaError(
            f"edit {name!r} does not tell how its factors were made; give the folder of factors of"
            f" {edit.generator} {edit.layer} that it is for"
        )
    if generator is None:
        generator = create_generator(edit.generator, device=device)
    generator = of_all_classes(generator)  # the edit counts their parts
    ranks = {"parts": edit.parts, "appearances": edit.appearances}
    return fit_cached(generator, edit.layer, **ranks, seeds=edit.seeds)

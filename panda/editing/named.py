"""The factors that a named edit is for."""

from __future__ import annotations

from panda.editing.edit_files import NamedEdit
from panda.errors import PandaError
from panda.factorization.cached import fit_cached
from panda.factorization.factors import Factors
from panda.generators.registry import create_generator


def factors_of(name: str, edit: NamedEdit, *, device: str = "cpu") -> Factors:
    """The factors that a named edit is for, kept or fitted now.

    Raises `PandaError` where the edit does not say on which seeds they were fitted, and where its
    generator cannot be had.
    """
    if not edit.seeds:
        raise PandaError(
            f"edit {name!r} does not tell how its factors were made; give the folder of factors of"
            f" {edit.generator} {edit.layer} that it is for"
        )
    generator = create_generator(edit.generator, device=device)
    ranks = {"parts": edit.parts, "appearances": edit.appearances}
    return fit_cached(generator, edit.layer, **ranks, seeds=edit.seeds)

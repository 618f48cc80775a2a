"""Whether what was made with a generator belongs to the one at hand."""

from __future__ import annotations

import os

from panda.errors import PandaError
from panda.generators.contract import Generator
from panda.generators.one_class import whole
from panda.generators.registry import full_name, is_file, known_card, refer

SHOWN = 16
"""Characters of a digest that errors show."""


def check_weights(generator: Generator, things: str, name: str, digest: str, remedy: str) -> None:
    """Raise `PandaError` unless things were made with this generator.

    Its weights decide, wherever their file lies now, and its options of loading; where a digest is
    not known, the name does.

    Args:
        generator: The generator at hand.
        things: What was made, such as ``"factors"``.
        name: The name of the generator that they were made with.
        digest: The digest of its weights; empty where it is not known.
        remedy: What to do, for the error.
    """
    mine = whole(generator)[0]
    namesake = mine in (name, full_name(name))
    if digest and generator.digest:
        if digest != generator.digest:
            why = " (another one of this name, or trained since)" if namesake else ""
            raise PandaError(
                f"these are {things} of {name} with weights of sha256 {digest[:SHOWN]}..., but"
                f" those of {generator.name} are {generator.digest[:SHOWN]}...{why}; {remedy}"
            )
        if refer(mine).options != refer(name).options:
            raise PandaError(
                f"these are {things} of {name}, but the generator is {mine}: the same weights with"
                f" other options are another generator; {remedy}"
            )
    elif not namesake:
        raise PandaError(
            f"these are {things} of {name}, but the generator is {generator.name}; {remedy}"
        )


def why_lost(name: str) -> str:
    """Return why no generator has a name that results note; empty where there is one."""
    if is_file(name):
        return "" if os.path.lexists(refer(name).name) else "which is no longer there"
    if known_card(name):
        return ""
    return (
        "which is no file, and no plugin brings it (see 'panda plugins'): a module in memory is for"
        " Python, as in panda.edit_images(generator, factors, latents, edits), until a plugin"
        " brings it (docs/backends.md)"
    )

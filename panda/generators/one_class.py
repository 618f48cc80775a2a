"""A conditional generator restricted to one class or text; callers see no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.generators.labels import Label, as_label, label_text
from panda.generators.wrapper import Wrapper


class OneClass(Wrapper):
    """A generator named ``NAME@LABEL``, whose samples are all of one class, or of one text.

    Args:
        inner: The generator of all classes.
        label: The class by number or name, or the text.

    Raises:
        PandaError: Where ``inner`` does not have it.
    """

    def __init__(self, inner: Generator, label: Any) -> None:
        plain = as_label(label, inner)
        if plain is None:
            raise PandaError(f"label {label!r:.60} is not a whole number, a name or a text")
        inner.sample([0], truncation=1.0, label=plain)  # raises for a wrong class
        super().__init__(inner)
        self.label, self.name = plain, f"{inner.name}@{label_text(plain, inner.labels)}"

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: Label | None = None
    ) -> Latents:
        """See `Generator.sample`; raises `PandaError` for another class."""
        if label not in (None, self.label):
            other = label_text(label, self.labels)
            raise PandaError(f"{self.name} is restricted to its label, but {other!r} was given")
        return super().sample(seeds, truncation=truncation, label=self.label)


def whole(generator: Generator) -> tuple[str, Label | None]:
    """Return the name of the whole generator, and the label that this one is held to, or None."""
    held = _held(generator)
    return (generator.name, None) if held is None else (held.inner.name, held.label)


def of_all_classes(generator: Generator) -> Generator:
    """Return the whole generator; the given one where it is not held to a label."""
    held = _held(generator)
    return generator if held is None else held.inner


def _held(generator: Generator) -> OneClass | None:
    """Return what holds a generator, perhaps inside of other wrappers, to a label."""
    while isinstance(generator, Wrapper):
        if isinstance(generator, OneClass):
            return generator
        generator = generator.inner
    return None

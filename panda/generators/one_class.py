"""A class-conditional generator restricted to one class; callers see no classes."""

from __future__ import annotations

from collections.abc import Sequence

from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.generators.wrapper import Wrapper


class OneClass(Wrapper):
    """A generator named ``NAME@LABEL``, whose samples are all of class ``label``.

    Raises `PandaError` for a class that ``inner`` does not have.
    """

    def __init__(self, inner: Generator, label: int) -> None:
        inner.sample([0], truncation=1.0, label=label)  # raises for a wrong class
        super().__init__(inner)
        self.label, self.name = label, f"{inner.name}@{label}"

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; raises `PandaError` for another class."""
        if label not in (None, self.label):
            raise PandaError(f"{self.name} is restricted to its class, but label {label} was given")
        return super().sample(seeds, truncation=truncation, label=self.label)


def whole(generator: Generator) -> tuple[str, int | None]:
    """Return the name of the whole generator, and the class that this one is held to, or None."""
    inner = generator
    while isinstance(inner, Wrapper):
        if isinstance(inner, OneClass):
            return inner.inner.name, inner.label
        inner = inner.inner
    return generator.name, None

"""Which spaces a search goes through, and for how many steps each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from panda.errors import PandaError
from panda.factorization.usual import usual_place
from panda.generators.contract import Generator
from panda.inversion.coordinates import FEATURES, check_space, spaces

SINGLE = 0.2
"""The share of the steps in w+ that search a single w for all slots first."""

LATENTS = 0.3
"""The share of all steps that search latents, where features are searched after them."""


@dataclass(frozen=True)
class Plan:
    """Where to search.

    Attributes:
        space: One of `panda.inversion.coordinates.spaces`.
        layer: Whose features are searched; None where none are.
        stages: The steps in each space, in order; at least one in each.
    """

    space: str
    layer: str | None
    stages: Mapping[str, int]

    @property
    def steps(self) -> int:
        """Of the whole search."""
        return sum(self.stages.values())

    @staticmethod
    def of(generator: Generator, space: str | None, layer: str | None, steps: int) -> Plan:
        """Return the plan for a number of steps.

        Args:
            generator: The generator.
            space: Where to search; None is the widest space it has.
            layer: Whose features; None is where edits are usually made.
            steps: At least one.

        Raises:
            PandaError: Where the generator has no such space or layer, or the space no layers.
        """
        space = check_space(generator, space)
        if space != FEATURES:
            if layer is not None:
                raise PandaError(
                    f"a layer is for space {FEATURES!r} alone, but space {space!r} was given"
                )
            return Plan(space, None, _stages(space, steps))
        chosen = usual_place(generator)[0] if layer is None else generator.layer(layer)
        known = [other for other in spaces(generator) if other != FEATURES]
        first = round(LATENTS * steps) if known else 0
        stages = _stages(known[0], first) if first else {}
        return Plan(space, chosen.name, {**stages, FEATURES: steps - first})


def _stages(space: str, steps: int) -> dict[str, int]:
    """Return the stages of a search of latents."""
    single = round(SINGLE * steps) if space == "w+" else 0
    return {name: count for name, count in (("w", single), (space, steps - single)) if count}

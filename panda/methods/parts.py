"""PandA itself as one of the methods: every part with every appearance is an edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from panda.editing.edits import Edit
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.generators.contract import Generator
from panda.methods.changes import Change, PartChange
from panda.methods.method import Method
from panda.metrics.regions import Regions


@dataclass(frozen=True)
class PandA(Method):
    """Factors of some layers; parts with their own appearances, or with A's leading columns.

    ``layers`` are such as ``"16.conv2@8"``: a layer and its number of parts, several by commas;
    without, the layers nearest to 16 and 32 pixels with 8 and 16 parts, as the paper's edits of
    faces have. ``own`` appearances are each part's principal axes, at most 16; without them the
    edits take the columns of A. A strength counts standard deviations.
    """

    name = "panda"
    source = "ICLR 2023"
    layers: str = ""
    samples: int = 1000
    own: bool = True
    appearances: int = 16
    refined: bool = False
    focus: float = 0.0
    """See `panda.editing.edits.direction`; 0 is the paper's."""

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.fit`."""
        found: dict[str, Change] = {}
        for layer, parts in self.places(generator):
            factors = fit(generator, layer, parts=parts, seeds=range(self.samples))
            for name, change in part_changes(factors, self.own, self.appearances).items():
                found[name] = replace(change, refined=self.refined, focus=self.focus)
        return found

    def places(self, generator: Generator) -> list[tuple[str, int]]:
        """The layers, each with its number of parts."""
        if self.layers:
            pairs = (text.rpartition("@") for text in self.layers.split(","))
            return [(layer, int(parts)) for layer, _, parts in pairs]
        near = {generator.layer_near(side).name: side // 2 for side in (32, 16)}
        return list(reversed(near.items()))


def part_changes(
    factors: Factors, own: bool = True, appearances: int = 16
) -> dict[str, PartChange]:
    """The edits that factors offer: ``{"16.conv2 3:p0": ...}``."""
    kinds: Sequence[int | str] = range(min(appearances, factors.appearances.shape[1]))
    if own:
        kinds = [f"p{k}" for k in range(min(appearances, factors.own.shape[1]))]
    found: dict[str, PartChange] = {}
    for part in range(factors.parts.shape[1]):
        for kind in kinds:
            if factors.vector(kind, (part,))[1] > 0:
                edit = Edit((part,), kind, 1.0, sigma=True)
                found[f"{factors.layer.name} {part}:{kind}"] = PartChange(factors, edit)
    return found

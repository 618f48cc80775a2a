"""PandA (Oldfield et al., ICLR 2023) as a method: every part with every appearance is an edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from panda.directions.changes import Change, Render
from panda.directions.method import Method
from panda.editing.apply import direction
from panda.editing.edits import Edit
from panda.editing.refine import refine
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.generators.contract import Generator, Latents
from panda.metrics.regions import Regions


@dataclass(frozen=True, eq=False)
class PartChange(Change):
    """Add an appearance where parts are.

    Attributes:
        factors: What the edit counts.
        edit: The edit; its strength does not matter.
        refined: Whether the parts are fitted to each sample first.
        focus: See `panda.editing.apply.direction`.
    """

    factors: Factors
    edit: Edit
    refined: bool = False
    focus: float = 0.0

    def start(self, generator: Generator, latents: Latents) -> Render:
        """See `Change.start`."""
        layer = self.factors.layer.name
        state = generator.head(latents, layer)
        parts = refine(self.factors, state.x) if self.refined else None
        edit = replace(self.edit, strength=1.0)
        step = direction(self.factors, [edit], parts, focus=self.focus).to(state.x)
        return lambda strengths: generator.tail(
            state.with_features(state.x + strengths.to(state.x)[:, None, None, None] * step), layer
        )


@dataclass(frozen=True)
class PandA(Method):
    """Parts of some layers, with their own appearances or with A's leading columns.

    A strength counts standard deviations.

    Source: ICLR 2023, section 3; ``model.py`` of the released code.

    Attributes:
        layers: Such as ``"16.conv2@8"``: a layer and its number of parts; several with commas. By
            default the layers nearest to 16 and 32 pixels with 8 and 16 parts, as the paper's
            edits of faces.
        samples: Samples of the fit.
        own: Whether appearances are each part's principal axes, or the columns of A (the paper).
        appearances: Appearances for each part; at most 16 of its own.
        refined: Whether the parts are fitted to each sample.
        focus: See `panda.editing.apply.direction`; 0 in the paper.
    """

    name = "panda"
    source = "ICLR 2023"
    layers: str = ""
    samples: int = 1000
    own: bool = True
    appearances: int = 16
    refined: bool = False
    focus: float = 0.0

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        edits: dict[str, Change] = {}
        for layer, parts in self.places(generator):
            factors = fit(generator, layer, parts=parts, seeds=range(self.samples))
            for name, change in part_changes(factors, self.own, self.appearances).items():
                edits[name] = replace(change, refined=self.refined, focus=self.focus)
        return edits

    def places(self, generator: Generator) -> list[tuple[str, int]]:
        """Return the layers, each with its number of parts."""
        if self.layers:
            pairs = (text.rpartition("@") for text in self.layers.split(","))
            return [(layer, int(parts)) for layer, _, parts in pairs]
        near = {generator.layer_near(side).name: side // 2 for side in (32, 16)}
        return list(reversed(near.items()))


def part_changes(
    factors: Factors, own: bool = True, appearances: int = 16
) -> dict[str, PartChange]:
    """Return the edits that factors offer by name, stable ones first: ``{"16.conv2 3:p0": ...}``.

    Args:
        factors: What the edits count.
        own: See `PandA`.
        appearances: See `PandA`.
    """
    columns = range(min(appearances, factors.appearances.shape[1]))
    edits: dict[str, PartChange] = {}
    for part in factors.stable_parts:
        axes = [f"p{axis}" for axis in factors.stable_axes(part)[:appearances]]
        kinds: Sequence[int | str] = axes if own else columns
        for kind in kinds:
            if factors.vector(kind, (part,))[1] > 0:
                edit = Edit((part,), kind, 1.0, sigma=True)
                edits[f"{factors.layer.name} {part}:{kind}"] = PartChange(factors, edit)
    return edits

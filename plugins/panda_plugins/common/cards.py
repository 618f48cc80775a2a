"""Cards of generators with published weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.weights import Weights

DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="
"""Address of a file on Google Drive, up to its key."""


def card_of(
    weights: Weights,
    *,
    architecture: str,
    dataset: str,
    license: str,
    origin: str,
    layers: Iterable[Layer],
    notes: str = "",
    edits: Path | None = None,
    class_names: Iterable[str] = (),
) -> Card:
    """Return the card of a generator that is loaded from ``weights``; see `Card` for the rest."""
    return Card(
        architecture=architecture,
        dataset=dataset,
        resolution=weights.resolution,
        license=license,
        origin=origin,
        load=weights.load,
        weights=weights,
        layers=tuple(layers),
        notes=notes,
        edits=edits,
        class_names=tuple(class_names),
    )

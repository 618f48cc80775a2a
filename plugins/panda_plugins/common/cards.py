"""Cards of generators with published weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.labels import Names
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
    labels: Names = (),
    mapped: bool = False,
    rgb_slot: bool = True,
) -> Card:
    """Return the card of a generator that is loaded from ``weights``; see `Card` for the rest.

    Args:
        weights: The file.
        architecture: See `Card`, as for all that follow.
        dataset: See `Card`.
        license: See `Card`.
        origin: See `Card`.
        layers: See `Card`.
        notes: See `Card`.
        edits: See `Card`.
        labels: See `Card`.
        mapped: Whether it has w, in a slot for each layer.
        rgb_slot: Whether one more slot styles the image.
    """
    layers = tuple(layers)
    names = tuple(layer.name for layer in layers)
    slots = (*names, "image") if rgb_slot else names
    return Card(
        architecture=architecture,
        dataset=dataset,
        size=weights.size,
        license=license,
        origin=origin,
        load=weights.load,
        weights=weights,
        layers=layers,
        notes=notes,
        edits=edits,
        labels=labels,
        slots=slots if mapped else (),
        channels=weights.channels,
        options=weights.architecture.options,
    )

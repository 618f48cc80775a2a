"""What the registry knows about a generator before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from panda.generators.contract import Generator, Layer
    from panda.weights.generator_weights import Weights


@dataclass(frozen=True)
class Card:
    """Cheap facts about a generator, and the function that loads it.

    Attributes:
        architecture: The kind of network, such as ``"DCGAN"``.
        dataset: What it was trained on.
        resolution: Height and width of the images, in pixels.
        license: The license of the weights.
        origin: Where the weights come from.
        load: Build the generator, on a device and in a dtype.
        weights: The file that ``load`` reads, where there is one to download.
        layers: The layers in order, where they are known without loading.
        notes: What users should know, in a sentence.
        edits: A file of named edits for this generator (see `panda.editing.edit_files`).
        class_names: The names of its classes, in the order of their labels, if they have any.
        slots: The slots of w (`panda.generators.latent_spaces.WSpace.slots`), if it has w.
    """

    architecture: str
    dataset: str
    resolution: int
    license: str
    origin: str
    load: Callable[[torch.device, torch.dtype], Generator] = field(repr=False)
    weights: Weights | None = None
    layers: tuple[Layer, ...] = ()
    notes: str = ""
    edits: Path | None = None
    class_names: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()

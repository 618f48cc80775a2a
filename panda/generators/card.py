"""What the registry knows about a generator before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from panda.shapes import OldResolution, as_channels, as_size, takes_resolution

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
        size: Height and width of the images, in pixels; one number is the side of a square.
        license: The license of the weights.
        origin: Where the weights come from.
        load: Build the generator, on a device and in a dtype.
        weights: The file that ``load`` reads, where there is one to download.
        layers: The layers in order, where they are known without loading.
        notes: What users should know, in a sentence.
        edits: A file of named edits for this generator (see `panda.editing.edit_files`).
        class_names: The names of its classes, in the order of their labels, if they have any.
        slots: The slots of w (`panda.generators.latent_spaces.WSpace.slots`), if it has w.
        channels: Channels of the images: 1 for gray, 3 for RGB, 4 for RGBA.
    """

    architecture: str
    dataset: str
    size: tuple[int, int]
    license: str
    origin: str
    load: Callable[[torch.device, torch.dtype], Generator] = field(repr=False)
    weights: Weights | None = None
    layers: tuple[Layer, ...] = ()
    notes: str = ""
    edits: Path | None = None
    class_names: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    channels: int = 3

    resolution = OldResolution()

    def __post_init__(self) -> None:
        """Take one number as a size, and check size and channels."""
        object.__setattr__(self, "size", as_size(self.size))
        object.__setattr__(self, "channels", as_channels(self.channels))


Card.__init__ = takes_resolution(Card.__init__)  # type: ignore[method-assign]

"""What the registry knows about a generator before it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from panda.generators.labels import Names, OldClassNames, as_names, takes_class_names
from panda.generators.options import Option, check_declared
from panda.shapes import OldResolution, as_channels, as_size, takes_resolution

if TYPE_CHECKING:
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
        load: Build the generator, on a device and in a dtype; a card with ``options`` gets each of
            them by its name, too.
        weights: The file that ``load`` reads, where there is one to download.
        layers: The layers in order, where they are known without loading.
        notes: What users should know, in a sentence.
        edits: A file of named edits for this generator (see `panda.editing.edit_files`).
        labels: The names of its classes in the order of their numbers, if they have any, or
            ``"any text"``; see `Generator.labels`.
        slots: The slots of w (`panda.generators.latent_spaces.WSpace.slots`), if it has w.
        channels: Channels of the images: 1 for gray, 3 for RGB, 4 for RGBA.
        options: With what it can be loaded, as in ``NAME?steps=20``, by name.
    """

    architecture: str
    dataset: str
    size: tuple[int, int]
    license: str
    origin: str
    load: Callable[..., Generator] = field(repr=False)
    weights: Weights | None = None
    layers: tuple[Layer, ...] = ()
    notes: str = ""
    edits: Path | None = None
    labels: Names = ()
    slots: tuple[str, ...] = ()
    channels: int = 3
    options: Mapping[str, Option] = field(default_factory=dict, hash=False)

    resolution = OldResolution()
    class_names = OldClassNames()

    def __post_init__(self) -> None:
        """Take one number as a size; check size, channels, labels and the names of options."""
        object.__setattr__(self, "size", as_size(self.size))
        object.__setattr__(self, "channels", as_channels(self.channels))
        object.__setattr__(self, "labels", as_names(self.labels))
        check_declared(self.options)


Card.__init__ = takes_resolution(takes_class_names(Card.__init__))  # type: ignore[method-assign]

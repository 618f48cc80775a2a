"""What is known of a generator before it is loaded."""

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
    """Cheap facts of one generator, and the lazy call that builds it.

    ``edits`` is an edit zoo (see `panda.editing.edit_files`) that was made for this generator.
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

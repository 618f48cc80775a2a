"""DCGAN (Radford et al., arXiv 1511.06434): transposed convolutions, batch norm and ReLU.

The reference is the code of PyTorch's examples (``dcgan/main.py``), with or without one-hot labels
beside z. Layers are named by resolution: ``4.conv``, ``8.conv``, ...
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.hookspecs import hookimpl
from panda.weights import PipWheel, Weights

from ..common import pyramid
from ..common.cards import card_of

if TYPE_CHECKING:
    from panda.checkpoints.checkpoint import Checkpoint

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")

COLORS = "amber", "blue", "brown", "gray", "grayscale", "green", "hazel", "red"
"""The classes of the eyes, in the order of their one-hot labels."""

_FILE = "omniart_eye_generator/generator_model_state.pth"


def _convert(folder: Path) -> Checkpoint:
    """Read the package's file, with what its code has and the file does not record."""
    from panda.checkpoints.read import read_checkpoint

    checkpoint = read_checkpoint(folder / Path(_FILE).name)
    return replace(checkpoint, config={"label_count": len(COLORS), "activation": "relu"})


WEIGHTS = Weights(
    "dcgan-omniart-eyes-128",
    PipWheel(
        "omniart_eye_generator",
        "0.1",
        sha256="e21910eb2ea8ce1eeadd037454fafd5bb7cee28cee7ed07f14d897b67971fd74",
        size=47_981_950,
        members=(_FILE,),
    ),
    ARCHITECTURE,
    size=(128, 128),
    convert=_convert,
)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return the card of painted eyes at 128 x 128, of which nothing is aligned."""
    return {
        WEIGHTS.name: card_of(
            WEIGHTS,
            architecture="DCGAN",
            dataset="OmniArt: eyes in paintings",
            license="MIT",
            origin="the Python package omniart_eye_generator",
            layers=pyramid.layers((1024, 512, 256, 128, 64), first=("conv",), later=("conv",)),
            labels=COLORS,
        )
    }


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return the architecture, which opens state dicts of one sequence of modules."""
    return {"DCGAN": ARCHITECTURE}

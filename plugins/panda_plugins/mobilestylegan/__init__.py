"""MobileStyleGAN (Belousov, arXiv 2104.04767): StyleGAN2 of FFHQ, distilled to run on a CPU.

The official code is bes-dev/MobileStyleGAN.pytorch; the weights come from the wheel random_face.
Layers are ``4.conv``, ``8.conv1`` (after upsampling), ``8.conv2``, ``16.conv1``, ...
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.hookspecs import hookimpl
from panda.weights import PipWheel, Weights

from ..common import pyramid
from ..common.cards import card_of

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint
    from panda.generators.contract import Generator

CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64}
"""Channels of the feature maps at each resolution, in pixels."""

LAYERS = pyramid.layers(CHANNELS.values(), first=("conv",), later=("conv1", "conv2"))


def _convert(folder: Path) -> Checkpoint:
    from panda.checkpoints.checkpoint import Checkpoint

    from .convert import from_openvino

    return Checkpoint("openvino", from_openvino(folder))


def _recognizes(checkpoint: Checkpoint) -> bool:
    return {"w_mean", "mapping.layers.0.weight"} <= checkpoint.tensors.keys()


def _build(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Generator:
    from .backend import MobileStyleGAN

    return MobileStyleGAN(dict(checkpoint.tensors), device, dtype)


PRESETS = Path(__file__).with_name("presets") / "edits.json"
"""Made by ``panda presets``; the command is in docs/benchmarks.md."""

WEIGHTS = Weights(
    "mobilestylegan-ffhq-1024",
    PipWheel(
        "random_face",
        "2021.6.9.0",
        sha256="0b20a24bdf3b691a4ceddca8d92650e30a9a3ee60710b703bf1ec6f54f29f660",
        size=37_600_000,
        members=tuple(
            f"random_face/data/mobilestylegan_ffhq_{net}.{part}"
            for net in ("mnet", "snet")
            for part in ("xml", "bin")
        ),
    ),
    Architecture(_recognizes, _build),
    size=(1024, 1024),
    convert=_convert,
)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return the card of the published generator: FFHQ faces at 1024 x 1024."""
    return {
        WEIGHTS.name: card_of(
            WEIGHTS,
            architecture="MobileStyleGAN",
            dataset="FFHQ",
            license="Apache-2.0 weights, FFHQ-derived: research, non-commercial",
            origin="https://github.com/bes-dev/MobileStyleGAN.pytorch (arXiv 2104.04767)",
            layers=LAYERS,
            mapped=True,
            edits=PRESETS,
            notes="Its W space is that of NVIDIA's StyleGAN2 FFHQ config-f.",
        )
    }

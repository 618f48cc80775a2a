"""MobileStyleGAN (Belousov, arXiv 2104.04767): StyleGAN2-FFHQ distilled to run on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl
from panda.weights import PipWheel, Weights

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint
    from panda.generators.contract import Generator

CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64}
"""Channels of the feature maps at each resolution, in pixels."""


def _layers() -> tuple[Layer, ...]:
    layers = [Layer("4.conv", CHANNELS[4], 4, 4)]
    for pixels in list(CHANNELS)[1:]:
        layers += [
            Layer(f"{pixels}.{conv}", CHANNELS[pixels], pixels, pixels)
            for conv in ("conv1", "conv2")
        ]
    return tuple(layers)


LAYERS = _layers()


def _convert(folder: Path) -> Checkpoint:
    from panda.checkpoints.checkpoint import Checkpoint

    from .convert import from_openvino

    members = {path.name: path.read_bytes() for path in folder.iterdir()}
    return Checkpoint("openvino", from_openvino(members))


def _recognizes(checkpoint: Checkpoint) -> bool:
    return {"w_mean", "mapping.layers.0.weight"} <= checkpoint.tensors.keys()


def _build(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Generator:
    from .backend import MobileStyleGAN

    return MobileStyleGAN(dict(checkpoint.tensors), device, dtype)


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
    resolution=1024,
    convert=_convert,
)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """One trained generator: FFHQ faces at 1024 x 1024."""
    return {
        "mobilestylegan-ffhq-1024": Card(
            architecture="MobileStyleGAN",
            dataset="FFHQ",
            resolution=1024,
            license="Apache-2.0 weights, FFHQ-derived: research, non-commercial",
            origin="https://github.com/bes-dev/MobileStyleGAN.pytorch (arXiv 2104.04767)",
            load=WEIGHTS.load,
            weights=WEIGHTS,
            layers=LAYERS,
            notes="Its W space is that of NVIDIA's StyleGAN2 FFHQ config-f.",
        )
    }

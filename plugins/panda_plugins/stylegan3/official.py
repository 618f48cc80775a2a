"""The official StyleGAN3 files, as NVlabs/stylegan3 lists them."""

from __future__ import annotations

from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.weights import Url, Weights

from ..common.cards import card_of
from . import ARCHITECTURE
from .design import Sampling

NGC = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan3/versions/1/files"
FILES = [
    ("ffhq", "FFHQ", 1024),
    ("ffhqu", "FFHQ-U", 1024),
    ("ffhqu", "FFHQ-U", 256),
    ("metfaces", "MetFaces", 1024),
    ("metfacesu", "MetFaces-U", 1024),
    ("afhqv2", "AFHQ v2", 512),
]
"""Part of the name, data set and resolution."""


def cards() -> dict[str, Card]:
    """Return every card by name: translation (T) and rotation (R) equivariant generators."""
    all_cards = {}
    for kind in ("t", "r"):
        for data, dataset, pixels in FILES:
            name = f"stylegan3-{kind}-{data}-{pixels}"
            file = f"stylegan3-{kind}-{data}-{pixels}x{pixels}.pkl"
            all_cards[name] = card_of(
                Weights(name, Url({file: f"{NGC}/{file}"}), ARCHITECTURE, (pixels, pixels)),
                architecture="StyleGAN3",
                dataset=dataset,
                license="NVIDIA Source Code License: non-commercial",
                origin="https://github.com/NVlabs/stylegan3 (arXiv 2106.12423)",
                layers=layers(kind, pixels),
                mapped=True,
            )
    return all_cards


def layers(kind: str, resolution: int) -> tuple[Layer, ...]:
    """List the layers of an official network.

    Args:
        kind: ``"t"`` or ``"r"``; R has twice the channels.
        resolution: Height and width of the images; 256 pixels have half the channels.
    """
    factor = 2 if kind == "r" else 1
    base, most = factor * (16384 if resolution == 256 else 32768), factor * 512
    rates = Sampling().rates(resolution)[:-1]
    widths = [min(round(base / 2 / rate.cutoff), most) for rate in rates]
    names = [f"L{i}_{rate.size}_{widths[i]}" for i, rate in enumerate(rates)]
    return tuple(
        Layer(name, width, rate.size, rate.size, rate.margin)
        for name, width, rate in zip(
            ["input", *names], [widths[0], *widths], [rates[0], *rates], strict=True
        )
    )

"""NVIDIA's StyleGAN3 files, as its repository lists them."""

from __future__ import annotations

from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.weights import Url, Weights

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


def cards() -> dict[str, Card]:
    """Every card by name, translation (T) and rotation (R) equivariant."""
    found = {}
    for kind in ("t", "r"):
        for data, dataset, pixels in FILES:
            name = f"stylegan3-{kind}-{data}-{pixels}"
            file = f"stylegan3-{kind}-{data}-{pixels}x{pixels}.pkl"
            weights = Weights(name, Url({file: f"{NGC}/{file}"}), ARCHITECTURE, pixels)
            found[name] = Card(
                architecture="StyleGAN3",
                dataset=dataset,
                resolution=pixels,
                license="NVIDIA Source Code License: non-commercial",
                origin="https://github.com/NVlabs/stylegan3 (arXiv 2106.12423)",
                load=weights.load,
                weights=weights,
                layers=layers(kind, pixels),
            )
    return found


def layers(kind: str, resolution: int) -> tuple[Layer, ...]:
    """Layers of an official network of ``kind`` t or r: halved at 256 pixels, doubled for R."""
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

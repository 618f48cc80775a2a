"""NVIDIA's ProGAN file that has an address of its own; the others lie in a Google Drive folder."""

from __future__ import annotations

from panda.generators.card import Card
from panda.weights import Url, Weights

from . import ARCHITECTURE, layers

CELEBAHQ = Weights(
    "progan-celebahq-1024",
    Url(
        {
            "karras2018iclr-celebahq-1024x1024.pkl": "https://drive.usercontent.google.com/download"
            "?export=download&confirm=t&id=188K19ucknC6wg1R6jbuPEhTq9zoufOx4"
        }
    ),
    ARCHITECTURE,
    resolution=1024,
)


def cards() -> dict[str, Card]:
    """Every card by name."""
    return {
        CELEBAHQ.name: Card(
            architecture="ProGAN",
            dataset="CelebA-HQ",
            resolution=1024,
            license="CC BY-NC 4.0",
            origin="https://github.com/tkarras/progressive_growing_of_gans (arXiv 1710.10196)",
            load=CELEBAHQ.load,
            weights=CELEBAHQ,
            layers=layers([min(16384 >> k, 512) for k in range(2, 11)]),
        )
    }

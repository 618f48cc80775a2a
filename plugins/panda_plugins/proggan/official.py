"""The official ProGAN file with a direct link; the others are in a Google Drive folder."""

from __future__ import annotations

from panda.generators.card import Card
from panda.weights import Url, Weights

from ..common import pyramid
from ..common.cards import DRIVE, card_of
from . import ARCHITECTURE, layers

CELEBAHQ = Weights(
    "progan-celebahq-1024",
    Url({"karras2018iclr-celebahq-1024x1024.pkl": f"{DRIVE}188K19ucknC6wg1R6jbuPEhTq9zoufOx4"}),
    ARCHITECTURE,
    size=(1024, 1024),
)


def cards() -> dict[str, Card]:
    """Return every card by name."""
    return {
        CELEBAHQ.name: card_of(
            CELEBAHQ,
            architecture="ProGAN",
            dataset="CelebA-HQ",
            license="CC BY-NC 4.0",
            origin="https://github.com/tkarras/progressive_growing_of_gans (arXiv 1710.10196)",
            layers=layers(pyramid.channels(1024, base=16384)),
        )
    }

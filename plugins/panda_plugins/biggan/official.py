"""DeepMind's BigGAN-deep, as converted by Hugging Face.

Andrew Brock's files are zip archives and have no card: unpack an archive and open its
``G_ema.pth``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.weights import Url, Weights

from ..common.cards import card_of
from . import ARCHITECTURE, named

BUCKET = "https://s3.amazonaws.com/models.huggingface.co/biggan"
WIDTHS = {
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
"""Channels, in units of 128, at 4, 8, 16, ... pixels."""

ATTENTION = 8
"""Index of the self-attention among the stages."""


def cards() -> dict[str, Card]:
    """Return every card by name."""
    all_cards, labels = {}, imagenet()
    for pixels in WIDTHS:
        name = f"biggan-deep-imagenet-{pixels}"
        address = f"{BUCKET}/biggan-deep-{pixels}"
        files = {
            "config.json": f"{address}-config.json",
            "pytorch_model.bin": f"{address}-pytorch_model.bin",
        }
        all_cards[name] = card_of(
            Weights(name, Url(files), ARCHITECTURE, (pixels, pixels)),
            architecture="BigGAN",
            dataset="ImageNet",
            license="MIT code, DeepMind's weights of TensorFlow Hub: Apache-2.0",
            origin="https://github.com/huggingface/pytorch-pretrained-BigGAN (arXiv 1809.11096)",
            layers=layers(pixels),
            labels=labels,
        )
    return all_cards


def imagenet() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes: the first word of WordNet that no other has."""
    file = Path(__file__).with_name("imagenet.txt")
    return tuple(file.read_text(encoding="utf-8").splitlines())


def layers(resolution: int) -> tuple[Layer, ...]:
    """List the layers of an official network: at each size a block, then an upsampling block."""
    widths = [128 * width for width in WIDTHS[resolution]]
    stages = []
    for k, (width, following) in enumerate(pairwise(widths)):
        stages += [(4 << k, width, False), (8 << k, following, False)]
    stages.insert(ATTENTION, (*stages[ATTENTION - 1][:2], True))
    return tuple(named(stages, widths[0]))

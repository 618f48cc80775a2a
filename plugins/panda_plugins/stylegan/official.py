"""The official StyleGAN files.

They are those of NVlabs/stylegan, and config A of table 1 of the StyleGAN2 paper.
"""

from __future__ import annotations

from panda.generators.card import Card
from panda.weights import Url, Weights

from ..common import pyramid
from ..common.cards import DRIVE, card_of
from . import ARCHITECTURE, layers

FILES = {
    "ffhq-1024": ("FFHQ", "ffhq-1024x1024", "1MEGjdvVpUsu1jB4zrXZN7Y4kBBOzizDQ"),
    "celebahq-1024": ("CelebA-HQ", "celebahq-1024x1024", "1MGqJl28pN4t7SAtSrPdSRJSQJqahkzUf"),
    "bedroom-256": ("LSUN Bedroom", "bedrooms-256x256", "1MOSKeGF0FJcivpBI7s63V9YHloUTORiF"),
    "car-512": ("LSUN Car", "cars-512x384", "1MJ6iCfNtMIRicihwRorsM3b7mmtmK9c3"),
    "cat-256": ("LSUN Cat", "cats-256x256", "1MQywl0FNt6lHu8E_EUqnRbviagS7fbiJ"),
}
"""Data set, name of the file and key on Google Drive, by the end of our name."""

CONFIG_A = {
    "ffhq-1024": "FFHQ",
    "car-512": "LSUN Car",
    "cat-256": "LSUN Cat",
    "church-256": "LSUN Church",
    "horse-256": "LSUN Horse",
}
"""Data set of each file of config A, by our name without ``-config-a``."""


def cards() -> dict[str, Card]:
    """Return every card by name."""
    all_cards = {
        f"stylegan-{name}": _card(
            f"stylegan-{name}",
            dataset,
            {f"stylegan-{file}.pkl": DRIVE + key},
            "CC BY-NC 4.0",
            "https://github.com/NVlabs/stylegan (arXiv 1812.04948)",
        )
        for name, (dataset, file, key) in FILES.items()
    }
    for name, dataset in CONFIG_A.items():
        ours = f"stylegan-{name}-config-a"
        file = f"stylegan2-{name.partition('-')[0]}-config-a.pkl"
        url = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/{file}"
        all_cards[ours] = _card(
            ours,
            dataset,
            {file: url},
            "NVIDIA Source Code License-NC: non-commercial",
            "https://github.com/NVlabs/stylegan2 (arXiv 1912.04958), config A",
        )
    return all_cards


def _card(name: str, dataset: str, files: dict[str, str], license: str, origin: str) -> Card:
    resolution = int(name.split("-")[2])
    return card_of(
        Weights(name, Url(files), ARCHITECTURE, (resolution, resolution)),
        architecture="StyleGAN",
        dataset=dataset,
        license=license,
        origin=origin,
        layers=layers(pyramid.channels(resolution, base=16384)),
        mapped=True,
        rgb_slot=False,
        notes="images are 512 x 384, with black above and below" if "car" in name else "",
    )

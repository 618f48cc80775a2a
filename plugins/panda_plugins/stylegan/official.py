"""NVIDIA's StyleGAN files: those of its own repository, and config A of StyleGAN2's table 1."""

from __future__ import annotations

from panda.generators.card import Card
from panda.weights import Url, Weights

from . import ARCHITECTURE, layers

DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="
FILES = {
    "ffhq-1024": ("FFHQ", "ffhq-1024x1024", "1MEGjdvVpUsu1jB4zrXZN7Y4kBBOzizDQ"),
    "celebahq-1024": ("CelebA-HQ", "celebahq-1024x1024", "1MGqJl28pN4t7SAtSrPdSRJSQJqahkzUf"),
    "bedroom-256": ("LSUN Bedroom", "bedrooms-256x256", "1MOSKeGF0FJcivpBI7s63V9YHloUTORiF"),
    "car-512": ("LSUN Car", "cars-512x384", "1MJ6iCfNtMIRicihwRorsM3b7mmtmK9c3"),
    "cat-256": ("LSUN Cat", "cats-256x256", "1MQywl0FNt6lHu8E_EUqnRbviagS7fbiJ"),
}
CONFIG_A = {
    "ffhq-1024": "FFHQ",
    "car-512": "LSUN Car",
    "cat-256": "LSUN Cat",
    "church-256": "LSUN Church",
    "horse-256": "LSUN Horse",
}


def cards() -> dict[str, Card]:
    """Every card by name."""
    found = {
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
        found[ours] = _card(
            ours,
            dataset,
            {file: url},
            "NVIDIA Source Code License-NC: non-commercial",
            "https://github.com/NVlabs/stylegan2 (arXiv 1912.04958), config A",
        )
    return found


def _card(name: str, dataset: str, files: dict[str, str], license: str, origin: str) -> Card:
    resolution = int(name.split("-")[2])
    weights = Weights(name, Url(files), ARCHITECTURE, resolution)
    return Card(
        architecture="StyleGAN",
        dataset=dataset,
        resolution=resolution,
        license=license,
        origin=origin,
        load=weights.load,
        weights=weights,
        layers=layers([min(16384 >> k, 512) for k in range(2, resolution.bit_length())]),
        notes="images are 512 x 384, with black above and below" if "car" in name else "",
    )

"""The StyleGAN2 files of NVIDIA and rosinality, as their repositories list them.

Configs B to D of the paper's table 1 are left out: they are progressively growing networks of
another layout, which no backend opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from panda.generators.card import Card
from panda.weights import Url, Weights

from ..common import pyramid
from ..common.cards import card_of
from . import ARCHITECTURE, layers

if TYPE_CHECKING:
    from panda.checkpoints.checkpoint import Checkpoint

CDN = "https://nvlabs-fi-cdn.nvidia.com"
NGC = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan2/versions/1/files"
RELEASED_EDITS = Path(__file__).with_name("released_edits.json")
"""The edits of FFHQ that the authors of PandA released."""

DATASETS = {
    "afhqcat": "AFHQ Cat",
    "afhqdog": "AFHQ Dog",
    "afhqv2": "AFHQ v2",
    "afhqwild": "AFHQ Wild",
    "brecahad": "BreCaHAD",
    "car": "LSUN Car",
    "cat": "LSUN Cat",
    "celebahq": "CelebA-HQ",
    "church": "LSUN Church",
    "cifar10": "CIFAR-10",
    "ffhq": "FFHQ",
    "ffhqu": "FFHQ-U",
    "horse": "LSUN Horse",
    "lsundog": "LSUN Dog",
    "metfaces": "MetFaces",
    "metfacesu": "MetFaces-U",
}

TENSORFLOW = {"ffhq": 1024, "car": 512, "cat": 256, "church": 256, "horse": 256}
"""Resolution of each data set in NVlabs/stylegan2: config F, and more configs of FFHQ and cars."""

FROM_NGC = [
    ("ffhq", 1024, "-ngc"),
    *(("ffhq", pixels, "") for pixels in (512, 256)),
    *(("ffhqu", pixels, "") for pixels in (1024, 256)),
    *((data, 1024, "") for data in ("metfaces", "metfacesu")),
    *((data, 512, "") for data in ("afhqcat", "afhqdog", "afhqv2", "afhqwild", "brecahad")),
    *((data, 256, "") for data in ("celebahq", "lsundog")),
    ("cifar10", 32, ""),
]
"""Data set, resolution, and the suffix of our name where another file already has it."""

ADA = {
    **dict.fromkeys(("ffhq", "metfaces"), 1024),
    **dict.fromkeys(("afhqcat", "afhqdog", "afhqwild", "brecahad"), 512),
    "cifar10": 32,
}
"""Resolution of each data set of StyleGAN2-ADA."""

TRANSFER = {
    "celebahq-256": "celebahq-res256-mirror-paper256-kimg100000-ada-target0.5",
    "ffhq-1024-noaug": "ffhq-res1024-mirror-stylegan2-noaug",
    "ffhq-512-noaug": "ffhq-res512-mirror-stylegan2-noaug",
    "ffhq-256-noaug": "ffhq-res256-mirror-paper256-noaug",
    "lsundog-256-noaug": "lsundog-res256-paper256-kimg100000-noaug",
}
"""Files of StyleGAN2-ADA's starting points for transfer learning, by the end of our name."""


def cards() -> dict[str, Card]:
    """Return every card by name."""
    return {**dict(_tensorflow()), **dict(_ngc()), **dict(_ada()), **dict(_rosinality())}


def _card(
    name: str,
    origin: tuple[str, str],
    url: str,
    *,
    halved: bool = False,
    notes: str = "",
    edits: Path | None = None,
    convert: Callable[[Path], Checkpoint] | None = None,
) -> tuple[str, Card]:
    """Return a name and its card; data set and resolution come from the name.

    Args:
        name: Our name, ``stylegan2-DATA-RESOLUTION...`` or ``stylegan2-ada-DATA-RESOLUTION...``.
        origin: Repository and license.
        url: Address of the file.
        halved: Whether the network has half the channels at large resolutions.
        notes: See `Card`.
        edits: See `Card`.
        convert: See `Weights`.
    """
    data, pixels = name.removeprefix("stylegan2-").removeprefix("ada-").split("-")[:2]
    resolution = int(pixels)
    file = url.rpartition("/")[2].partition("?")[0]
    return name, card_of(
        Weights(name, Url({file: url}), ARCHITECTURE, (resolution, resolution), convert),
        architecture="StyleGAN2",
        dataset=DATASETS[data],
        license=origin[1],
        origin=origin[0],
        layers=layers(pyramid.channels(resolution, base=16384 if halved else 32768)),
        mapped=True,
        notes=notes,
        edits=edits,
    )


def _tensorflow() -> Iterator[tuple[str, Card]]:
    origin = (
        "https://github.com/NVlabs/stylegan2 (arXiv 1912.04958)",
        "NVIDIA Source Code License-NC: non-commercial",
    )
    folder = f"{CDN}/stylegan2/networks"
    for data, pixels in TENSORFLOW.items():
        yield _card(
            f"stylegan2-{data}-{pixels}",
            origin,
            f"{folder}/stylegan2-{data}-config-f.pkl",
            notes="images are 512 x 384, with black above and below" if data == "car" else "",
            edits=RELEASED_EDITS if data == "ffhq" else None,
        )
    for data in ("ffhq", "car"):
        name = f"stylegan2-{data}-{TENSORFLOW[data]}-config-e"
        yield _card(name, origin, f"{folder}/stylegan2-{data}-config-e.pkl", halved=True)
        for g in ("orig", "resnet", "skip"):
            for d in ("orig", "resnet", "skip"):
                url = f"{folder}/table2/stylegan2-{data}-config-e-G{g}-D{d}.pkl"
                yield _card(f"{name}-g{g}-d{d}", origin, url, halved=True, notes="table 2")


def _ngc() -> Iterator[tuple[str, Card]]:
    origin = (
        "https://github.com/NVlabs/stylegan3 (its StyleGAN2 files)",
        "NVIDIA Source Code License: non-commercial",
    )
    for data, pixels, suffix in FROM_NGC:
        yield _card(
            f"stylegan2-{data}-{pixels}{suffix}",
            origin,
            f"{NGC}/stylegan2-{data}-{pixels}x{pixels}.pkl",
            halved=pixels == 256,
        )


def _ada() -> Iterator[tuple[str, Card]]:
    origin = (
        "https://github.com/NVlabs/stylegan2-ada-pytorch (arXiv 2006.06676)",
        "NVIDIA Source Code License: non-commercial",
    )
    folder = f"{CDN}/stylegan2-ada-pytorch/pretrained"
    for data, pixels in ADA.items():
        yield _card(
            f"stylegan2-ada-{data}-{pixels}",
            origin,
            f"{folder}/{data}.pkl",
            notes="class-conditional" if data == "cifar10" else "",
        )
    for name, file in TRANSFER.items():
        url = f"{folder}/transfer-learning-source-nets/{file}.pkl"
        yield _card(f"stylegan2-ada-{name}", origin, url, halved="paper256" in file)


def _rosinality() -> Iterator[tuple[str, Card]]:
    yield _card(
        "stylegan2-ffhq-256-rosinality",
        (
            "https://github.com/rosinality/stylegan2-pytorch",
            "MIT code and weights, FFHQ: non-commercial",
        ),
        "https://drive.usercontent.google.com/download"
        "?id=1PQutd-JboOCOZqmd95XWxWrO8gGEvRcO&export=download&confirm=t",
        convert=_read_rosinality,
    )


def _read_rosinality(path: Path) -> Checkpoint:
    """Read rosinality's own file, which has the default of what it does not record."""
    from panda.checkpoints.read import read_checkpoint

    return replace(read_checkpoint(path), options={"lr_mlp": 0.01})

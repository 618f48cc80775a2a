"""Small generators of 64 x 64 faces whose weights are part of the package.

Each was trained by the scripts in ``training/`` on samples of MobileStyleGAN. Beside its weights is
a JSON file with its layers and the results of ``python -m training.measure``. GANs have presets in
``presets/``, made by ``panda presets``; the commands are in ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl
from panda.weights import Shipped, Weights

from .. import biggan, flow, proggan, stylegan, stylegan2, stylegan3, vae
from ..common.cards import card_of

ARCHITECTURES: dict[str, tuple[str, Architecture]] = {
    "biggan": ("BigGAN", biggan.ARCHITECTURE),
    "diffusion": ("latent flow", flow.ARCHITECTURE),
    "proggan": ("ProGAN", proggan.ARCHITECTURE),
    "stylegan": ("StyleGAN", stylegan.ARCHITECTURE),
    "stylegan2": ("StyleGAN2", stylegan2.ARCHITECTURE),
    "stylegan3": ("StyleGAN3", stylegan3.ARCHITECTURE),
    "vae": ("VAE", vae.ARCHITECTURE),
}
"""Name and architecture, by the second word of a generator's name."""


@hookimpl
def panda_generators() -> dict[str, Card]:
    """Return a card for every generator in this folder."""
    files = sorted(Path(__file__).parent.glob("mini-*.json"))
    return {
        path.stem: _card(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in files
    }


def _card(name: str, facts: dict[str, Any]) -> Card:
    title, architecture = ARCHITECTURES[name.split("-")[1]]
    source = Shipped(Path(__file__).with_name(f"{name}.safetensors"))
    weights = Weights(name, source, architecture, size=(64, 64))
    presets = Path(__file__).with_name("presets") / name / "edits.json"
    figures = facts["figures"]
    whole = " and ".join(f"{share:.0%} at psi {psi}" for psi, share in figures["whole"].items())
    return card_of(
        weights,
        architecture=title,
        dataset="faces of mobilestylegan-ffhq-1024",
        license="weights distilled from FFHQ's: research, non-commercial",
        origin="trained by this project from samples of mobilestylegan-ffhq-1024 (training/)",
        layers=tuple(Layer(**layer) for layer in facts["layers"]),
        edits=presets if presets.is_file() else None,
        labels=tuple(facts.get("labels", ())),
        mapped=title.startswith("StyleGAN"),
        rgb_slot=title != "StyleGAN",
        notes=(
            f"learned from {facts['faces']} faces in {facts['images']} images; FID"
            f" {figures['fid']:.1f} ({figures['samples']} samples, not truncated); both eyes, nose"
            f" and mouth in {whole}"
        ),
    )

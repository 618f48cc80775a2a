"""The small generators side by side, for the README: ``python -m training.showcase``.

Each row shows one generator, and for each of two seeds the sample, its parts in color, the object
replaced by background, and the map of the background.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from panda import Generator, create_generator, list_generators
from panda.demo.sections import LayerStudy
from panda.editing.localize import localize
from panda.editing.remove import remove
from panda.factorization.fit import fit
from panda.images import color_parts, heat_picture, save_picture, sheet, to_picture

SIZE, PARTS = 112, 8

LAYERS = {"mini-diffusion-faces-64": "decode.32"}
"""Of generators that have no background at their last layer of 16 x 16 positions."""


def row(generator: Generator, seeds: list[int]) -> list[Image.Image]:
    """Return four pictures for each seed, mostly made with the last layer of 16 x 16 positions."""
    layer = generator.layer(LAYERS.get(generator.name, generator.layer_near(16).name))
    factors = fit(generator, layer.name, parts=PARTS, seeds=range(1000, 1500))
    latents = generator.sample(seeds, truncation=generator.usual_truncation)
    study = LayerStudy.make(generator, factors, latents, generator.forward(latents))
    pictures = []
    for k, image in enumerate(study.images):
        picture, x = to_picture(image, SIZE), study.x(k)
        removed = study.finish(k, remove(factors, x))
        heat, _ = localize(factors, x, "bg", size=SIZE)
        pictures += [
            picture,
            color_parts(picture, factors.masks),
            to_picture(removed, SIZE),
            heat_picture(heat[0], SIZE),
        ]
    return pictures


def main() -> None:
    """Write the picture of all small generators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=[0, 3])
    parser.add_argument("--out", type=Path, default=Path("docs/minis.png"))
    options = parser.parse_args()
    names = list_generators("mini-*")
    save_picture(sheet([row(create_generator(n), options.seeds) for n in names]), options.out)


if __name__ == "__main__":
    main()

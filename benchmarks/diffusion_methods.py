"""Parts beside the methods made for diffusion models, at equal change inside a box.

    python benchmarks/diffusion_methods.py mini-diffusion-faces-64 --n 16

At each layer (``--layers``) the directions of every method are tried on a few faces, brought to the
same root mean square change inside the box around eyes, nose and mouth (``--target``, of images in
[-1, 1]), along one sign. That with the least change outside is measured on others, which no fit and
no choice saw: the mean change of colors (0 to 255) outside for that inside, with its 95 % interval,
and the share of faces that reach the change within 3 %.

LocalDiff and LOCO are told the box, and derive the image that the step expects from one image, or
from ``--images``; *final* (``--methods "LOCO, final"``) derives the image after all steps. PandA is
not told: its parts are those that lie in the box most. *random in the box* are random directions of
the same features inside of it; *box axis* is the axis of most variance of the mean features in the
box, as in ``diffusion_steps.py``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from diffusion_steps import BOTTOM, LEFT, RIGHT, TOP, box, direction

from panda import Generator, Latents, create_generator
from panda.directions.changes import Change, FeatureChange
from panda.directions.localdiff import LocalDiff
from panda.directions.loco import LOCO
from panda.directions.random import Random
from panda.factorization.fit import fit
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.images import save_picture, sheet, to_picture
from panda.methods.parts import part_changes
from panda.metrics.matching import Matched, match
from panda.metrics.regions import Boxes
from panda.metrics.summary import ratio, share
from panda.notes import note
from panda.report.table import Table

NAME = "box"
CENTER = (128 * (TOP + BOTTOM), 128 * (LEFT + RIGHT), 256 * (BOTTOM - TOP), 256 * (RIGHT - LEFT))
REGIONS = Boxes({NAME: CENTER})

PARTS, APPEARANCES, SAMPLES = 16, 4, 128
"""Of PandA's fits."""

LYING = 3
"""So many parts are tried, those of which the greatest share lies in the box."""

FEW = 5
"""Directions of each method."""

METHODS = (
    *("PandA", "box axis", "LocalDiff, individual", "LocalDiff, joint", "LOCO"),
    *("random", "random in the box"),
)
"""Those that are compared by default: all but those of final images, which take long."""


Directions = Mapping[str, Change]
"""The directions of a method by name."""


def methods(
    generator: Generator, layer: str, images: int
) -> Mapping[str, Callable[[], Directions]]:
    """Return what fits each method at a layer, by its name."""
    mask = box(generator.layers[layer].height, generator.layers[layer].width)[0]

    def parts() -> Directions:
        factors = fit(generator, layer, parts=PARTS, seeds=range(SAMPLES))
        inside = (factors.masks * mask).sum((1, 2)) / factors.masks.sum((1, 2))
        lying = set(inside.argsort(descending=True)[:LYING].tolist())
        changes = part_changes(factors, appearances=APPEARANCES)
        return {name: each for name, each in changes.items() if each.edit.parts[0] in lying}

    def axis() -> Directions:
        step = direction(generator, layer, generator.sample(range(SAMPLES))) * mask
        return {"0": FeatureChange(step, layer)}

    def localdiff(predicted: bool, joint: bool) -> Directions:
        method = LocalDiff(directions=FEW, layer=layer, images=images, predicted=predicted)
        found = method.changes(generator, REGIONS)
        return {name: each for name, each in found.items() if ("joint" in name) == joint}

    def loco(predicted: bool) -> Directions:
        method = LOCO(directions=FEW, layer=layer, images=images, predicted=predicted)
        return method.changes(generator, REGIONS)

    def drawn(local: bool) -> Directions:
        found = Random(components=FEW, layer=layer).changes(generator, REGIONS)
        return {name: each for name, each in found.items() if (NAME in name) == local}

    return {
        "PandA": parts,
        "box axis": axis,
        "LocalDiff, individual": partial(localdiff, True, False),
        "LocalDiff, joint": partial(localdiff, True, True),
        "LOCO": partial(loco, True),
        "random": partial(drawn, False),
        "random in the box": partial(drawn, True),
        "LocalDiff, individual, final": partial(localdiff, False, False),
        "LOCO, final": partial(loco, False),
    }


def reach(
    generator: Generator, change: Change, latents: Latents, target: float, start: float, steps: int
) -> tuple[Matched, torch.Tensor, torch.Tensor]:
    """Bring samples to the change; return it, and the mean change of colors outside and inside."""
    before, mask = generator(latents).clamp(-1, 1), box(*generator.size)
    render = change.start(generator, latents)
    region = mask[0].bool().expand(len(latents), -1, -1)
    found = match(
        lambda strengths: render(strengths).clamp(-1, 1),
        before,
        region,
        target,
        start=start,
        steps=steps,
    )
    size = (127.5 * (found.images - before)).abs().mean(1, keepdim=True)
    without, within = ((size * m).sum((1, 2, 3)) / m.sum() for m in (1 - mask, mask))
    return found, without, within


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("generator", nargs="?", default="mini-diffusion-faces-64")
    parser.add_argument("--layers", default="decode.16,up@5,up@*", help="separated by commas")
    parser.add_argument("--methods", default=";".join(METHODS), help="separated by semicolons")
    parser.add_argument("--n", type=int, default=16, help="number of faces")
    parser.add_argument("--select", type=int, default=2, help="faces that directions are chosen on")
    parser.add_argument("--images", type=int, default=1, help="images that are derived")
    parser.add_argument("--target", type=float, default=0.1, help="change inside the box")
    parser.add_argument("--picture", type=Path, help="save eight faces: as they are, and the rows")
    options = parser.parse_args()
    generator = create_generator(options.generator)
    chosen_on = generator.sample(selection_seeds(options.select))
    latents = generator.sample(evaluation_seeds(options.n))
    rows, pictures = [], [generator(latents[:8])]
    for layer in options.layers.split(","):
        for name, fitted in methods(generator, layer, options.images).items():
            if name not in options.methods.split(";"):
                continue
            began = time.process_time()
            changes = fitted()
            cost, tries = time.process_time() - began, []
            for number, change in enumerate(changes.values()):
                found, *parts = reach(generator, change, chosen_on, options.target, 4.0, 5)
                without, within = (float(part.sum()) for part in parts)
                missed = 1 - float(found.reached.double().mean())
                start = float(found.strengths.median())
                tries.append((missed > 0.5, without / within, number, start))
            _, _, number, start = min(tries)
            change = list(changes.values())[number]
            given = latents, options.target, start, 5
            found, without, within = reach(generator, change, *given)
            rows.append(
                (
                    layer,
                    name,
                    "{:.2f} ± {:.2f}".format(*ratio(without, within)),
                    f"{100 * share(found.reached)[0]:.0f} %",
                    f"{cost:.0f}",
                )
            )
            pictures.append(found.images[:8])
            note(" ".join(rows[-1]))
    header = "layer", "method", "outside for inside", "reached", "CPU seconds of the fit"
    print(Table(header, rows).to_markdown())
    if options.picture:
        lines = [[to_picture(x, 96) for x in images] for images in pictures]
        save_picture(sheet(lines), options.picture)


if __name__ == "__main__":
    main()

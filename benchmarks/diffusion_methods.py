"""Parts beside the methods made for diffusion models, at equal change inside a box.

    python benchmarks/diffusion_methods.py mini-diffusion-faces-64 --n 16

At each layer (``--layers``) the directions of every method are tried on a few faces, brought to the
same root mean square change inside the box around eyes, nose and mouth (``--target``, of images in
[-1, 1]), along one sign. That with the least change outside is measured on others, which no fit and
no choice saw: the mean change of colors (0 to 255) outside for that inside, with its 95 % interval,
and the share of faces that reach the change within 3 %.

LocalDiff and LOCO are told the box, and derive the image that the step expects from one image, or
from ``--images``; *final* are derivatives of the image after all steps. PandA is not: its parts are
those that lie in the box most. *random in the box* are random directions of the same
features inside of it; *box axis* is the axis of most variance of the mean features in the box, as
in ``diffusion_steps.py``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping

import torch
from diffusion_steps import BOTTOM, LEFT, RIGHT, TOP, box, direction

from panda import Generator, Latents, create_generator
from panda.directions.changes import Change, FeatureChange
from panda.directions.localdiff import LocalDiff
from panda.directions.loco import LOCO
from panda.directions.random import Random
from panda.factorization.fit import fit
from panda.generators.predicting import Predicting
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.methods.parts import part_changes
from panda.metrics.matching import Matched, match
from panda.metrics.regions import Boxes
from panda.metrics.summary import ratio, share
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


def methods(
    generator: Generator, layer: str, images: int
) -> Iterator[tuple[str, Mapping[str, Change]]]:
    """Yield the methods at a layer with their directions."""
    height, width = generator.layers[layer].height, generator.layers[layer].width
    factors = fit(generator, layer, parts=PARTS, seeds=range(SAMPLES))
    inside = (factors.masks * box(height, width)[0]).sum((1, 2)) / factors.masks.sum((1, 2))
    lying = set(inside.argsort(descending=True)[:LYING].tolist())
    changes = part_changes(factors, appearances=APPEARANCES)
    yield "PandA", {k: each for k, each in changes.items() if each.edit.parts[0] in lying}
    learned = generator.sample(range(SAMPLES))
    axis = direction(generator, layer, learned) * box(height, width)[0]
    yield "box axis", {"0": FeatureChange(axis, layer)}
    one_step = isinstance(generator, Predicting) and "@" in layer and not layer.endswith("*")
    for ending, predicted in (("", True), (", final", False)):
        if predicted or one_step:
            given = {"layer": layer, "images": images, "predicted": predicted}
            found = LocalDiff(directions=FEW, **given).changes(generator, REGIONS)
            own = {k: each for k, each in found.items() if "joint" not in k}
            yield f"LocalDiff, individual{ending}", own
            if predicted:
                yield "LocalDiff, joint", {k: v for k, v in found.items() if k not in own}
            yield f"LOCO{ending}", LOCO(directions=FEW, **given).changes(generator, REGIONS)
    drawn = Random(components=FEW, layer=layer).changes(generator, REGIONS)
    for name, local in (("random", False), ("random in the box", True)):
        yield name, {k: each for k, each in drawn.items() if (NAME in k) == local}


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
    parser.add_argument("--n", type=int, default=16, help="number of faces")
    parser.add_argument("--select", type=int, default=2, help="faces that directions are chosen on")
    parser.add_argument("--images", type=int, default=1, help="images that are derived")
    parser.add_argument("--target", type=float, default=0.1, help="change inside the box")
    options = parser.parse_args()
    generator = create_generator(options.generator)
    chosen_on = generator.sample(selection_seeds(options.select))
    latents = generator.sample(evaluation_seeds(options.n))
    rows = []
    for layer in options.layers.split(","):
        began = time.process_time()
        for name, changes in methods(generator, layer, options.images):
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
            print(*rows[-1], flush=True)
            began = time.process_time()
    header = "layer", "method", "outside for inside", "reached", "CPU seconds of the fit"
    print(Table(header, rows).to_markdown())


if __name__ == "__main__":
    main()

"""What later steps of a sampler leave of an edit: in one step, in each step, in all at once.

    python benchmarks/diffusion_steps.py mini-diffusion-faces-64 --n 48 --picture PICTURE

The same change of features for every layer: inside a box around nose and mouth, one face takes the
features that another one has there. At ``PLACE@STEP`` that happens in one step; ``each`` does it in
every step, after the network has seen what the steps before have changed; ``PLACE@*`` replaces the
features of all steps, also those outside the box, which stay what they were without the edit.

Printed are, with 95 % intervals over pairs of faces: how much of the way the box has gone to the
other face, ``1 - |edited - other| / |own - other|`` in pixels of the box (1: all of it; negative:
it is farther away than before), and how much has changed elsewhere, ``|edited - own| / |own -
other|`` in pixels outside. Pasting the other's pixels has 1 and 0, by definition, and seams.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from panda import Generator, Latents, create_generator
from panda.generators.seeds import evaluation_seeds
from panda.images import save_picture, sheet, to_picture
from panda.metrics.summary import estimate
from panda.report.table import Table
from panda_plugins.flow.backend import ALL, LatentFlow

TOP, BOTTOM, LEFT, RIGHT = 0.45, 0.85, 0.3, 0.7
"""The box, in shares of the image; it is rounded to whole positions of each layer."""

Edit = Callable[[Latents, Latents], Tensor]
"""Returns images from the latents of the faces and of those whose features they take."""


def box(height: int, width: int) -> Tensor:
    """Return the box as ones among zeros ``[1, 1, H, W]``."""
    mask = torch.zeros(1, 1, height, width)
    rows = slice(round(TOP * height), round(BOTTOM * height))
    mask[:, :, rows, round(LEFT * width) : round(RIGHT * width)] = 1
    return mask


def mix(own: Tensor, other: Tensor) -> Tensor:
    """Return features that are the other's inside the box."""
    return torch.lerp(own, other, box(*own.shape[2:]))


def at_layer(generator: Generator, layer: str, own: Latents, other: Latents) -> Tensor:
    """Edit at one layer."""
    state = generator.head(own, layer)
    return generator.tail(state.with_features(mix(state.x, generator.head(other, layer).x)), layer)


def in_each(generator: LatentFlow, place: str, own: Latents, other: Latents) -> Tensor:
    """Edit in each step, whose features the network computes after the earlier edits."""
    first, *later = [f"{place}@{step}" for step in range(1, generator.steps + 1)]
    state, others = generator.head(own, first), generator.head(other, f"{place}@{ALL}").x
    layer = first
    for number, x in enumerate(others.chunk(generator.steps, 1)):
        if number:
            state, layer = generator.advance(state, layer, later[number - 1]), later[number - 1]
        state = state.with_features(mix(state.x, x))
    return generator.tail(state, layer)


def edits(generator: LatentFlow) -> dict[str, Edit]:
    """Return the edits by the name of their row."""
    every = LatentFlow(
        generator.network,
        generator.steps,
        range(1, generator.steps + 1),
        generator.device,
        generator.dtype,
    )
    rows: dict[str, Edit] = {}
    for place in dict.fromkeys(name.split("@")[0] for name in generator.layers if "@" in name):
        single = [name for name in generator.layers if name.startswith(f"{place}@")]
        rows |= {name: partial(at_layer, generator, name) for name in single if ALL not in name}
        rows[f"{place}, each"] = partial(in_each, every, place)
        rows[f"{place}@{ALL}"] = partial(at_layer, generator, f"{place}@{ALL}")
    decoded = [name for name in generator.layers if "@" not in name]
    return rows | {name: partial(at_layer, generator, name) for name in decoded}


def main() -> None:
    """Print the table, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("generator", nargs="?", default="mini-diffusion-faces-64")
    parser.add_argument("--n", type=int, default=48, help="number of pairs of faces")
    parser.add_argument("--picture", type=Path, help="save ten pairs: own, other, the rows")
    options = parser.parse_args()
    generator = create_generator(options.generator)
    if not isinstance(generator, LatentFlow):
        parser.error(f"{options.generator} has no steps")
    seeds = list(evaluation_seeds(2 * options.n))
    own, other = generator.sample(seeds[::2]), generator.sample(seeds[1::2])
    before, target = generator(own).clamp(-1, 1), generator(other).clamp(-1, 1)
    inside = box(*generator.size)
    apart = [float_rows((before - target) * mask) for mask in (inside, 1 - inside)]
    rows, pictures = [], [before, target]
    for name, edit in edits(generator).items():
        after = edit(own, other).clamp(-1, 1)
        gone = 1 - float_rows((after - target) * inside) / apart[0]
        spread = float_rows((after - before) * (1 - inside)) / apart[1]
        figures = ("{:.2f} ± {:.2f}".format(*estimate(values)) for values in (gone, spread))
        rows.append((name, *figures))
        pictures.append(after)
    print(Table(("where", "to the other face", "changed elsewhere"), rows).to_markdown())
    if options.picture:
        lines = [[to_picture(x, 96) for x in images[:10]] for images in pictures]
        save_picture(sheet(lines), options.picture)


def float_rows(difference: Tensor) -> Tensor:
    """Return the mean absolute value of each image."""
    return difference.abs().mean((1, 2, 3))


if __name__ == "__main__":
    main()

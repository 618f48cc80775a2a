"""What later steps of a sampler leave of an edit: in one step, in each step, in all at once.

    python benchmarks/diffusion_steps.py mini-diffusion-faces-64 --n 64 --picture PICTURE

The edit adds, inside a box around eyes, nose and mouth, the direction in which the features there
vary most between faces (``--sd`` standard deviations of it). At ``PLACE@*`` that direction has a
piece for each step. ``PLACE@STEP`` adds the piece of one step alone. ``PLACE, each`` adds every
piece in its step, to features that the network has computed after the earlier ones. ``PLACE@*``
adds all of them to the features of a run without an edit, which replace what the network computes.
Layers of the decoder have a direction of their own.

Printed are, with 95 % intervals over faces that the directions do not know: the mean change of
colors (0 to 255) inside the box and outside; the latter for a change of one inside; and what is
kept at the end of the change that the edited step predicts, ``<end, predicted> / |predicted|^2``,
where 0 means that later steps take it back, and 1 that they keep it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from panda import Generator, Latents, create_generator
from panda.generators.contract import State
from panda.generators.seeds import evaluation_seeds
from panda.images import save_picture, sheet, to_picture
from panda.metrics.summary import estimate, ratio
from panda.report.table import Table
from panda_plugins.flow.backend import ALL, LatentFlow

TOP, BOTTOM, LEFT, RIGHT = 0.375, 0.875, 0.25, 0.75
"""The box, in shares of the image, which are whole positions of 8 x 8."""


def box(height: int, width: int) -> Tensor:
    """Return the box as ones among zeros ``[1, 1, H, W]``."""
    mask = torch.zeros(1, 1, height, width)
    rows = slice(round(TOP * height), round(BOTTOM * height))
    mask[:, :, rows, round(LEFT * width) : round(RIGHT * width)] = 1
    return mask


def direction(generator: Generator, layer: str, latents: Latents) -> Tensor:
    """Return one standard deviation of the first principal axis inside the box, ``[C, 1, 1]``."""
    means = []
    for k in range(0, len(latents), 32):
        x = generator.head(latents[k : k + 32], layer).x
        mask = box(*x.shape[2:])
        means.append((x * mask).sum((2, 3)) / mask.sum())
    rows = torch.cat(means)
    _, values, axes = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    axis = axes[0] * axes[0].sum().sign()
    return (values[0] / len(rows) ** 0.5 * axis)[:, None, None]


def edited(state: State, change: Tensor) -> State:
    """Add a change inside the box."""
    return state.with_features(state.x + change * box(*state.x.shape[2:]))


def one_step(
    generator: LatentFlow, layer: str, change: Tensor, latents: Latents
) -> tuple[Tensor, Tensor]:
    """Edit at one layer; return the images, and the change that the step predicts."""
    state = generator.head(latents, layer)
    after = edited(state, change)
    moved = generator.predict(after, layer) - generator.predict(state, layer)
    return generator.tail(after, layer), moved


def each_step(generator: LatentFlow, place: str, changes: Tensor, latents: Latents) -> Tensor:
    """Edit in every step, whose features the network computes after the earlier edits."""
    layers = [f"{place}@{step}" for step in range(generator.steps)]
    state = generator.head(latents, layers[0])
    for number, change in enumerate(changes.chunk(generator.steps)):
        if number:
            state = generator.advance(state, layers[number - 1], layers[number])
        state = edited(state, change)
    return generator.tail(state, layers[-1])


def main() -> None:
    """Print the table, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("generator", nargs="?", default="mini-diffusion-faces-64")
    parser.add_argument("--n", type=int, default=64, help="number of faces")
    parser.add_argument("--sd", type=float, default=2.0, help="standard deviations")
    parser.add_argument("--picture", type=Path, help="save ten faces: as they are, and the rows")
    options = parser.parse_args()
    generator = create_generator(options.generator)
    if not isinstance(generator, LatentFlow):
        parser.error(f"{options.generator} has no steps")
    learned = generator.sample(range(256), truncation=1.0)
    latents = generator.sample(evaluation_seeds(options.n), truncation=1.0)
    before, inside = generator(latents), box(*generator.size)
    rows, pictures = [], [before]

    def add(name: str, after: Tensor, moved: Tensor | None = None) -> None:
        change = 127.5 * (after.clamp(-1, 1) - before.clamp(-1, 1))
        size = change.abs().mean(1, keepdim=True)
        within, without = ((size * m).sum((1, 2, 3)) / m.sum() for m in (inside, 1 - inside))
        kept = "-"
        if moved is not None:
            moved = moved * inside
            along = ((after - before) * moved).sum((1, 2, 3))
            kept = "{:.2f} ± {:.2f}".format(*ratio(along, moved.square().sum((1, 2, 3))))
        figures = [estimate(within), estimate(without), ratio(without, within)]
        cells = ("{:.1f} ± {:.1f}", "{:.1f} ± {:.1f}", "{:.2f} ± {:.2f}")
        rows.append((name, *(c.format(*f) for c, f in zip(cells, figures, strict=True)), kept))
        pictures.append(after)

    for layer in generator.layers:
        place, _, step = layer.partition("@")
        if step not in ("", ALL):
            continue
        change = options.sd * direction(generator, layer, learned)
        if step == ALL:
            every = LatentFlow(
                generator.network,
                generator.steps,
                range(generator.steps),
                generator.device,
                generator.dtype,
            )
            pieces = change.chunk(generator.steps)
            single = [name for name in generator.layers if name.startswith(f"{place}@")]
            for name in single[1:]:
                piece = pieces[int(name.split("@")[1])]
                add(name, *one_step(generator, name, piece, latents))
            add(f"{place}, each", each_step(every, place, change, latents))
        state = generator.head(latents, layer)
        add(layer, generator.tail(edited(state, change), layer))
    header = "where", "inside", "outside", "outside for inside", "kept"
    print(Table(header, rows).to_markdown())
    if options.picture:
        lines = [[to_picture(x, 96) for x in images[:10]] for images in pictures]
        save_picture(sheet(lines), options.picture)


if __name__ == "__main__":
    main()

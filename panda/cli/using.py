"""``panda parts``, ``edit``, ``refine``, ``localize`` and ``remove``: pictures from factors.

Each writes full-resolution PNGs named by seed and one ``sheet.png`` to look at first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from panda import edit as editing
from panda.checkpoints.tensors import save_tensors
from panda.edit import Edit
from panda.factors import Factors
from panda.generator import Generator, State
from panda.images import (
    difference_picture,
    heat_picture,
    mask_picture,
    save_picture,
    sheet,
    spotlight,
    to_picture,
)
from panda.localize import localize as find_concept
from panda.progress import bar
from panda.registry import create_generator
from panda.remove import remove as remove_parts
from panda.seeds import parse_numbers

THUMB = 256
CHUNK = 4
"""Images that are rendered at once; more only take memory."""


@dataclass(frozen=True)
class Chunk:
    """Some seeds, stopped at the factors' layer, and their unedited images."""

    seeds: list[int]
    state: State
    before: Tensor


class Session:
    """What every verb here starts from: factors, their generator, seeds and a place for results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.seeds = parse_numbers(options.seeds)
        self.factors = Factors.load(options.factors)
        self.generator: Generator = create_generator(self.factors.generator, device=options.device)
        self.factors.check(self.generator)
        self.layer = self.factors.layer.name
        self.options = options
        self.out: Path = options.out

    def chunks(self) -> Iterator[Chunk]:
        """Run the heads, a few seeds at a time."""
        with bar(total=len(self.seeds), desc="render", unit="img") as progress:
            for start in range(0, len(self.seeds), CHUNK):
                seeds = self.seeds[start : start + CHUNK]
                latents = self.generator.sample(
                    seeds, truncation=self.options.truncation, label=self.options.label
                )
                state = self.generator.head(latents, self.layer)
                yield Chunk(seeds, state, self.generator.tail(state, self.layer))
                progress.update(len(seeds))

    def finish(self, state: State, x: Tensor) -> Tensor:
        """Resume the generator with other features."""
        return self.generator.tail(state.with_features(x), self.layer)

    def save_sheet(self, rows: list[list[Image.Image]], columns: str) -> None:
        """Write the overview and say where it is."""
        path = self.out / "sheet.png"
        save_picture(sheet(rows), path)
        print(f"{path} (columns: {columns})", file=sys.stderr)


def show_parts(options: argparse.Namespace) -> None:
    """One row a seed: the sample, then each part lit in it."""
    session = Session(options)
    rows = []
    for chunk in session.chunks():
        masks = _masks(session, chunk, refined=options.refine)
        for image, parts in zip(chunk.before, masks, strict=True):
            picture = to_picture(image, THUMB)
            rows.append([picture, *(spotlight(picture, part) for part in parts)])
    session.save_sheet(rows, f"sample, parts 0 to {len(rows[0]) - 2}")


def edit(options: argparse.Namespace) -> None:
    """Apply all edits at once."""
    edits = [Edit.parse(text) for text in options.edit]
    session = Session(options)
    for wanted in edits:
        wanted.change(session.factors)  # out of range: say so before anything is rendered
    rows = []
    for chunk in session.chunks():
        x = chunk.state.x
        parts = editing.refine(session.factors, x) if options.refine else None
        change = editing.direction(session.factors, edits, parts).to(x)
        rows += _save(session, chunk, session.finish(chunk.state, x + change))
    session.save_sheet(rows, "before, after, difference")


def remove(options: argparse.Namespace) -> None:
    """Replace parts by background."""
    parts = parse_numbers(options.parts, "parts")
    session = Session(options)
    session.factors.vector("bg", parts)  # out of range: say so before anything is rendered
    rows = []
    for chunk in session.chunks():
        x = remove_parts(session.factors, chunk.state.x, parts, strength=options.strength)
        rows += _save(session, chunk, session.finish(chunk.state, x))
    session.save_sheet(rows, "before, after, difference")


def refine(options: argparse.Namespace) -> None:
    """Fit the parts to single samples; the refined parts go to ``parts.safetensors``."""
    session = Session(options)
    rows, refined = [], []
    for chunk in session.chunks():
        parts = editing.refine(session.factors, chunk.state.x)
        refined.append(parts.cpu())
        for image, mine in zip(chunk.before, session.factors.as_masks(parts), strict=True):
            picture = to_picture(image, THUMB)
            rows.append([picture, *(mask_picture(mask, THUMB) for mask in session.factors.masks)])
            rows.append([picture, *(mask_picture(mask, THUMB) for mask in mine)])
    metadata = {"factors": str(options.factors), "seeds": options.seeds}
    save_tensors(session.out / "parts.safetensors", {"parts": torch.cat(refined)}, metadata)
    session.save_sheet(rows, "sample, each part; rows: global, refined")


def localize(options: argparse.Namespace) -> None:
    """Draw concept maps and save their masks."""
    appearance = int(options.appearance) if options.appearance.isdecimal() else options.appearance
    session = Session(options)
    session.factors.vector(appearance, () if options.part is None else (options.part,))
    rows = []
    for chunk in session.chunks():
        maps, masks = find_concept(
            session.factors,
            chunk.state.x,
            appearance,
            part=options.part,
            resolution=session.generator.resolution,
            threshold=options.threshold,
        )
        for seed, image, heat, mask in zip(chunk.seeds, chunk.before, maps, masks, strict=True):
            picture = to_picture(image, THUMB)
            save_picture(mask_picture(mask.float(), mask.shape[0]), session.out / f"{seed:04}.png")
            rows.append([picture, heat_picture(heat, THUMB), spotlight(picture, mask.float())])
    session.save_sheet(rows, "sample, concept map, mask")


def _save(session: Session, chunk: Chunk, after: Tensor) -> list[list[Image.Image]]:
    rows = []
    for seed, old, new in zip(chunk.seeds, chunk.before, after, strict=True):
        save_picture(to_picture(new), session.out / f"{seed:04}.png")
        rows.append(
            [to_picture(old, THUMB), to_picture(new, THUMB), difference_picture(old, new, THUMB)]
        )
    return rows


def _masks(session: Session, chunk: Chunk, *, refined: bool) -> Tensor:
    """The parts of each sample as maps ``[N, R_S, H, W]`` in [0, 1]."""
    if refined:
        return session.factors.as_masks(editing.refine(session.factors, chunk.state.x))
    return session.factors.masks.expand(len(chunk.seeds), -1, -1, -1)

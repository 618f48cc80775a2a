"""``panda parts``, ``edit``, ``refine``, ``localize`` and ``remove``: pictures from factors.

Each writes full-resolution PNGs named by seed, or by place in an inversion, and one ``sheet.png``
to look at first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from panda.checkpoints.tensors import save_tensors
from panda.editing import edits as editing
from panda.editing.edit_files import PATTERN
from panda.editing.localize import localize as find_concept
from panda.editing.named import factors_of, find_named
from panda.editing.remove import remove as remove_parts
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.files.writing import check_target, staging
from panda.generators.contract import Generator, Latents, State
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers
from panda.images import (
    difference_picture,
    heat_picture,
    mask_picture,
    save_picture,
    sheet,
    spotlight,
    to_picture,
)
from panda.inversion import Inversion
from panda.progress import bar

THUMB = 256
MARK = "made_by_panda"
"""The key of config.json by which a folder of results is known as ours."""

CHUNK = 4
"""Images that are rendered at once; more only take memory."""


@dataclass(frozen=True)
class Results:
    """A folder of pictures in the making, and the rows of its overview."""

    folder: Path
    rows: list[list[Image.Image]] = field(default_factory=list)


@dataclass(frozen=True)
class Chunk:
    """Some samples, stopped at the factors' layer, and their unedited images.

    Their numbers are seeds, or places in an inversion.
    """

    numbers: Sequence[int]
    state: State
    before: Tensor


class LoadedFactors:
    """What every verb here starts from: factors, their generator, samples, a place for results."""

    def __init__(self, options: argparse.Namespace, factors: Factors | None = None) -> None:
        inversion = _inversion(options)
        self.numbers: Sequence[int]
        if inversion is None:
            options.seeds = "0-3" if options.seeds is None else options.seeds
            self.numbers = parse_numbers(options.seeds)
        else:
            self.numbers = range(len(inversion))
        self.factors = Factors.load(options.factors) if factors is None else factors
        self.generator: Generator = create_generator(self.factors.generator, device=options.device)
        self.factors.check(self.generator)
        self.latents = inversion.latents_for(self.generator) if inversion is not None else None
        self.layer = self.factors.layer.name
        if options.truncation is None:
            options.truncation = self.generator.usual_truncation
        self.options = options
        _check_results(options.out)
        self.out: Path = options.out

    @contextmanager
    def results(self, columns: str) -> Iterator[Results]:
        """Collect pictures in a folder that appears whole; its config.json says what made it."""
        with staging(self.out) as work:
            work.mkdir()
            results = Results(work)
            yield results
            save_picture(sheet(results.rows), work / "sheet.png")
            said = {name: str(value) for name, value in vars(self.options).items() if name != "run"}
            (work / "config.json").write_text(json.dumps({MARK: said}, indent=1) + "\n")
        print(f"{self.out / 'sheet.png'} (columns: {columns})", file=sys.stderr)

    def chunks(self) -> Iterator[Chunk]:
        """Run the heads, a few samples at a time."""
        with bar(total=len(self.numbers), desc="render", unit="img") as progress:
            for start in range(0, len(self.numbers), CHUNK):
                rows = slice(start, start + CHUNK)
                numbers = self.numbers[rows]
                state = self.generator.head(self._sample(numbers, rows), self.layer)
                yield Chunk(numbers, state, self.generator.tail(state, self.layer))
                progress.update(len(numbers))

    def _sample(self, numbers: Sequence[int], rows: slice) -> Latents:
        if self.latents is not None:
            return self.latents[rows]
        options = self.options
        return self.generator.sample(numbers, truncation=options.truncation, label=options.label)

    def finish(self, state: State, x: Tensor) -> Tensor:
        """Resume the generator with other features."""
        return self.generator.tail(state.with_features(x), self.layer)


def show_parts(options: argparse.Namespace) -> None:
    """One row a seed: the sample, then each part lit in it."""
    session = LoadedFactors(options)
    count = len(session.factors.masks)
    with session.results(f"sample, parts 0 to {count - 1}") as results:
        for chunk in session.chunks():
            masks = _masks(session, chunk, refined=options.refine)
            for image, parts in zip(chunk.before, masks, strict=True):
                picture = to_picture(image, THUMB)
                results.rows.append([picture, *(spotlight(picture, part) for part in parts)])


def edit(options: argparse.Namespace) -> None:
    """Apply all edits, one after the other."""
    factors = Factors.load(options.factors) if options.factors else _factors_of(options)
    edits = [edit for text in options.edit for edit in editing.find_edits(text, factors)]
    session = LoadedFactors(options, factors)
    for wanted in edits:
        wanted.check(session.factors)  # out of range: say so before anything is rendered
    with session.results("before, after, difference") as results:
        for chunk in session.chunks():
            x = chunk.state.x
            parts = editing.refine(session.factors, x) if options.refine else None
            x = editing.apply_edits(session.factors, x, edits, parts)
            _compare(results, chunk, session.finish(chunk.state, x))


def _factors_of(options: argparse.Namespace) -> Factors:
    """The factors that the first edit is for, fitted now where the cache does not keep them."""
    if PATTERN.fullmatch(options.edit[0].strip()):
        raise PandaError(
            f"{options.edit[0]} does not say of which factors; give their folder, as in 'panda edit"
            f" FACTORS --edit {options.edit[0]}'"
        )
    name, named = find_named(options.edit[0])
    return factors_of(name, named, device=options.device)


def remove(options: argparse.Namespace) -> None:
    """Replace parts, or the whole object, by background."""
    parts = None if options.parts is None else parse_numbers(options.parts, "parts")
    session = LoadedFactors(options)
    session.factors.vector("bg", parts or ())  # out of range: say so before anything is rendered
    with session.results("before, after, difference") as results:
        for chunk in session.chunks():
            x = remove_parts(session.factors, chunk.state.x, parts, strength=options.strength)
            _compare(results, chunk, session.finish(chunk.state, x))


def refine(options: argparse.Namespace) -> None:
    """Fit the parts to single samples; the refined parts go to ``parts.safetensors``."""
    session = LoadedFactors(options)
    refined = []
    with session.results("sample, each part; rows: global, refined") as results:
        for chunk in session.chunks():
            parts = editing.refine(session.factors, chunk.state.x)
            refined.append(parts.cpu())
            for image, mine in zip(chunk.before, session.factors.as_masks(parts), strict=True):
                picture = to_picture(image, THUMB)
                for masks in (session.factors.masks, mine):
                    row = [picture, *(mask_picture(mask, THUMB) for mask in masks)]
                    results.rows.append(row)
        save_tensors(results.folder / "parts.safetensors", {"parts": torch.cat(refined)}, {})


def localize(options: argparse.Namespace) -> None:
    """Draw concept maps and save their masks."""
    text = options.appearance
    appearance = int(text) if text.isdecimal() and len(text) < 7 else text
    session = LoadedFactors(options)
    session.factors.vector(appearance, () if options.part is None else (options.part,))
    with session.results("sample, concept map, mask") as results:
        for chunk in session.chunks():
            maps, masks = find_concept(
                session.factors,
                chunk.state.x,
                appearance,
                part=options.part,
                resolution=session.generator.resolution,
                threshold=options.threshold,
            )
            for number, image, heat, mask in zip(
                chunk.numbers, chunk.before, maps, masks, strict=True
            ):
                picture, white = to_picture(image, THUMB), mask.float()
                save_picture(mask_picture(white, len(mask)), results.folder / f"{number:04}.png")
                results.rows.append([picture, heat_picture(heat, THUMB), spotlight(picture, white)])


def _inversion(options: argparse.Namespace) -> Inversion | None:
    """What stands in place of seeds, if anything; raises `PandaError` beside options of seeds."""
    if options.latents is None:
        return None
    for name in ("seeds", "truncation", "label"):
        if getattr(options, name) is not None:
            raise PandaError(f"--latents has samples of its own; leave out --{name}")
    return Inversion.load(options.latents)


def _check_results(folder: Path) -> None:
    """Raise `PandaError` where the results would replace anything but earlier results."""
    check_target(folder)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        if MARK in json.loads((folder / "config.json").read_text()):
            return
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    raise PandaError(f"{folder} exists and holds no results of panda; choose another folder")


def _compare(results: Results, chunk: Chunk, after: Tensor) -> None:
    for number, old, new in zip(chunk.numbers, chunk.before, after, strict=True):
        if not bool(torch.isfinite(new).all()):
            raise PandaError(f"the image of {number} came out NaN; the strength is too large")
        save_picture(to_picture(new), results.folder / f"{number:04}.png")
        results.rows.append(
            [to_picture(old, THUMB), to_picture(new, THUMB), difference_picture(old, new, THUMB)]
        )


def _masks(session: LoadedFactors, chunk: Chunk, *, refined: bool) -> Tensor:
    """The parts of each sample as maps ``[N, R_S, H, W]`` in [0, 1]."""
    if refined:
        return session.factors.as_masks(editing.refine(session.factors, chunk.state.x))
    return session.factors.masks.expand(len(chunk.numbers), -1, -1, -1)

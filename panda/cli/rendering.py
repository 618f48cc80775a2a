"""What verbs that draw samples share: factors, their generator, samples, and a folder of pictures.

Results are full-resolution PNGs named by seed, or by index in an inversion, and one ``sheet.png``
to look at first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from panda.cli.options import label_of
from panda.cli.output import print_json
from panda.editing.natural import resume
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.files.ownership import check_folder, replacing
from panda.generators.contract import Generator, Latents, State
from panda.generators.identity import why_lost
from panda.generators.labels import as_labels
from panda.generators.latent_spaces import unwrapped
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers
from panda.images import as_rgb, difference_picture, save_picture, sheet, to_picture
from panda.inversion import Inversion
from panda.notes import note
from panda.progress import bar
from panda.shapes import Size, within

THUMB = 256
"""Pixels of the longer side of a picture in the sheet."""

WHAT = "results of panda"
"""What a folder of pictures is called where another one would be replaced."""

CHUNK = 4
"""Images in a batch; more only take memory."""

COMPARED = ("before", "after", "difference")
"""The columns of `Results.compare`."""


@dataclass(frozen=True)
class Chunk:
    """A batch of samples, stopped at the factors' layer, and their unedited images.

    Attributes:
        numbers: Their seeds, or their indices in an inversion.
        latents: The samples.
        state: The state at the layer.
        before: The images ``[N, channels, H, W]`` in [-1, 1].
    """

    numbers: Sequence[int]
    latents: Latents
    state: State
    before: Tensor


@dataclass(frozen=True)
class Results:
    """A folder of pictures in the making.

    Attributes:
        work: Where the files are written before the folder takes its place.
        rows: The rows of its sheet.
        samples: What ``--json`` prints of each sample.
        facts: What it prints beside them.
    """

    work: Path
    rows: list[list[Image.Image]] = field(default_factory=list)
    samples: dict[int, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, number: int, picture: Image.Image, **figures: float) -> None:
        """Write the picture of a sample, and note its figures."""
        name = f"{number:04}.png"
        save_picture(picture, self.work / name)
        self.samples[number] = {"picture": name, **figures}

    def compare(self, chunk: Chunk, after: Tensor) -> None:
        """Add edited images ``[N, channels, H, W]``, each as a picture and a row of the sheet."""
        for number, old, new in zip(chunk.numbers, chunk.before, after, strict=True):
            # Half the difference of images in [-1, 1] is a share of their range.
            both = as_rgb(new.clamp(-1, 1)), as_rgb(old.clamp(-1, 1))
            change = float((both[0] - both[1]).abs().mean()) / 2
            self.save(number, to_picture(new), change=change)
            thumbs = to_picture(old, THUMB), to_picture(new, THUMB)
            self.rows.append([*thumbs, difference_picture(old, new, THUMB)])


class Rendering:
    """Factors, their generator and the samples of a command, and the folder for its results."""

    def __init__(self, options: argparse.Namespace, factors: Factors | None = None) -> None:
        """Load everything; raises `PandaError` where the options do not fit together."""
        self.inversion = inversion = _inversion(options)
        self.numbers: Sequence[int]
        if inversion is None:
            options.seeds = "0-3" if options.seeds is None else options.seeds
            self.numbers = parse_numbers(options.seeds)
        else:
            self.numbers = range(len(inversion))
        self.factors = Factors.load(options.factors) if factors is None else factors
        self.generator = generator_of(self.factors, options)
        self.latents = inversion.latents_for(self.generator) if inversion is not None else None
        self.layer = self.factors.layer.name
        given = label_of(options)
        label = self.factors.label if given is None and inversion is None else given
        options.label = as_labels(label, len(self.numbers), self.generator)
        if options.truncation is None:
            options.truncation = self.generator.usual_truncation
        self.options = options
        check_folder(options.out, WHAT)
        self.out: Path = options.out

    @property
    def thumb(self) -> Size:
        """Height and width of a picture in the sheet."""
        return within(self.generator.size, THUMB)

    def set_skip(self, skip: str | None) -> None:
        """Set what a running image does with edited features; raise `PandaError` without one."""
        if skip is None:
            return
        generator = unwrapped(self.generator)
        if not hasattr(generator, "skip"):
            raise PandaError(
                f"{self.generator.name} has no image that grows layer by layer; leave out --skip"
            )
        generator.skip = skip

    @contextmanager
    def results(self, columns: Sequence[str], rows: Sequence[str] = ()) -> Iterator[Results]:
        """Collect pictures in a folder that appears whole; its config.json says what made it.

        Args:
            columns: What stands in each column of the sheet.
            rows: What stands in each row of a sample, where it has several.

        Yields:
            The results to fill.
        """
        with replacing(self.out, WHAT) as work:
            results = Results(work)
            if rows:
                results.facts["rows"] = rows
            yield results
            save_picture(sheet(results.rows), work / "sheet.png")
            options = vars(self.options).items()
            config = {name: str(value) for name, value in options if name not in ("run", "json")}
            (work / "config.json").write_text(
                json.dumps({"made_by_panda": config}, indent=1) + "\n", encoding="utf-8"
            )
        also = f"; rows of a sample: {', '.join(rows)}" if rows else ""
        note(f"{self.out / 'sheet.png'} (columns: {', '.join(columns)}{also})")
        if self.options.json:
            self._print(results, columns)

    def _print(self, results: Results, columns: Sequence[str]) -> None:
        """Print paths and figures as JSON."""
        kind = "seed" if self.latents is None else "index"
        samples = [
            {kind: number, **facts, "picture": self.out / facts["picture"]}
            if "picture" in facts
            else {kind: number, **facts}
            for number, facts in results.samples.items()
        ]
        print_json(
            {
                "out": self.out,
                "sheet": self.out / "sheet.png",
                "columns": columns,
                "generator": self.generator.name,
                "layer": self.layer,
                "truncation": None if self.latents is not None else self.options.truncation,
                "label": self.options.label,
                **results.facts,
                "samples": samples,
            }
        )

    def chunks(self) -> Iterator[Chunk]:
        """Run the heads, a few samples at a time."""
        with bar(total=len(self.numbers), desc="render", unit="img") as progress:
            for start in range(0, len(self.numbers), CHUNK):
                rows = slice(start, start + CHUNK)
                numbers = self.numbers[rows]
                latents = self._sample(numbers, rows)
                state = self.generator.head(latents, self.layer)
                yield Chunk(numbers, latents, state, self.generator.tail(state, self.layer))
                progress.update(len(numbers))

    def _sample(self, numbers: Sequence[int], rows: slice) -> Latents:
        if self.latents is not None:
            return self.latents[rows]
        options = self.options
        label = options.label[rows] if isinstance(options.label, list) else options.label
        return self.generator.sample(numbers, truncation=options.truncation, label=label)

    def finish(self, chunk: Chunk, state: State, layer: str) -> Tensor:
        """Resume the generator from a state at a layer; raises `PandaError` where it gives NaN."""
        return resume(self.generator, state, layer, chunk.numbers)


def generator_of(factors: Factors, options: argparse.Namespace) -> Generator:
    """Load the generator of factors, from where ``--generator`` says that it is now.

    Raises:
        PandaError: Where it cannot be loaded, or its weights are not those of the factors.
    """
    try:
        name = factors.generator if options.generator is None else options.generator
        generator = create_generator(name, device=options.device)
    except PandaError as error:
        if options.generator is None and (reason := why_lost(factors.generator)):
            raise PandaError(
                f"these are factors of {factors.generator}, {reason}; --generator takes a file or a"
                " name with the same weights"
            ) from error
        raise
    factors.check(generator)
    return generator


def part_titles(factors: Factors) -> list[str]:
    """Return how each part is called in a sheet: `Factors.part_titles`, stable ones first."""
    titles = factors.part_titles
    return [f"part {titles[part]}" for part in factors.stable_parts]


def _inversion(options: argparse.Namespace) -> Inversion | None:
    """Load what stands in place of seeds; raises `PandaError` beside options of seeds."""
    if options.latents is None:
        return None
    for name in ("seeds", "truncation", "label"):
        if getattr(options, name) is not None:
            raise PandaError(f"--latents brings its own samples; leave out --{name}")
    return Inversion.load(options.latents)

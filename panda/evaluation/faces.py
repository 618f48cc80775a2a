"""The images that edits are compared on: samples, their regions, and their measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.metrics.face_colors import COLORS, colors
from panda.metrics.face_shapes import SHAPES, shapes
from panda.metrics.faces import show_face
from panda.metrics.parsing import FaceParser
from panda.metrics.regions import Boxes, Parsed, Regions, widened
from panda.metrics.roir import SIZE, small


def measures(images: Tensor, parsed: Tensor) -> dict[str, Tensor]:
    """Return shapes and colors of faces by name, each ``[N]`` float64.

    Args:
        images: ``[N, 3, h, w]`` in [-1, 1].
        parsed: Their class maps ``[N, H, W]``.
    """
    return shapes(parsed) | colors(images, parsed)


def measure_of(name: str, images: Tensor, parsed: Tensor) -> Tensor:
    """Return one of `measures`, ``[N]`` float64; all of them take a tenth of the parsing."""
    if name in COLORS:
        return COLORS[name](images, parsed)
    return SHAPES[name](parsed).double().cpu()


@dataclass(frozen=True, eq=False)
class Faces:
    """N samples before any edit.

    Attributes:
        latents: What `Generator.head` takes, N rows.
        before: The unedited images at the size of comparison, ``[N, 3, h, w]`` in [-1, 1].
        regions: Masks ``[N, h, w]`` bool by name.
        measures: See `measures`; empty where faces are not parsed.
        seen: Whether parsing sees a face, ``[N]`` bool; true where faces are not parsed.
    """

    latents: Latents
    before: Tensor
    regions: dict[str, Tensor]
    measures: dict[str, Tensor]
    seen: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def have(self, regions: Sequence[str]) -> Tensor:
        """Return which samples have all of these regions, ``[N]`` bool."""
        return torch.stack([self.regions[name].flatten(1).any(1) for name in regions]).all(0)

    @staticmethod
    def concatenate(batches: Sequence[Faces]) -> Faces:
        """Join batches, at least one, in order."""

        def join(parts: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
            first, *others = parts
            return {name: torch.cat([t, *(o[name] for o in others)]) for name, t in first.items()}

        return Faces(
            Latents.cat([faces.latents for faces in batches]),
            torch.cat([faces.before for faces in batches]),
            join(faces.regions for faces in batches),
            join(faces.measures for faces in batches),
            torch.cat([faces.seen for faces in batches]),
        )

    def take(self, rows: Tensor) -> Faces:
        """Return the samples of a mask ``[N]`` bool, or of indices."""
        # A list: measures are on the CPU, masks and images on the generator's device.
        chosen = (rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows).tolist()
        return Faces(
            self.latents[chosen],
            self.before[chosen],
            {name: mask[chosen] for name, mask in self.regions.items()},
            {name: value[chosen] for name, value in self.measures.items()},
            self.seen[chosen],
        )


@dataclass(frozen=True, eq=False)
class FaceSampler:
    """Draws samples of a generator and measures them before they are edited.

    Attributes:
        generator: What is sampled.
        parser: Finds regions and shapes; None where there are only boxes.
        boxes: Whether regions are boxes even where there is a parser.
        size: Pixels of the longer side of the images that are compared.
        parse_size: Pixels of the longer side at which faces are parsed.
    """

    generator: Generator
    parser: FaceParser | None
    boxes: bool = False
    size: int = SIZE
    parse_size: int = 512

    @cached_property  # methods that start from the same regions share what they find in them
    def regions(self) -> Regions:
        """Where regions come from."""
        if self.parser is None or self.boxes:
            return Boxes()
        return Parsed(self.parser, self.parse_size)

    def sample(self, seeds: Sequence[int]) -> Faces:
        """Sample seeds at the usual truncation, and measure them."""
        latents = self.generator.sample(seeds, truncation=self.generator.usual_truncation)
        before = small(self.generator.forward(latents), self.size)
        # Edited images are small when they are parsed, so the unedited ones are parsed small too.
        parsed = None if self.parser is None else self.parser(before, self.parse_size)
        if parsed is None or self.boxes:
            regions = Boxes().find(before, self.size)
        else:
            regions = widened(parsed, self.size)
        if parsed is None:
            return Faces(latents, before, regions, {}, torch.ones(len(before), dtype=torch.bool))
        return Faces(latents, before, regions, measures(before, parsed), show_face(parsed))

    def measures(self, images: Tensor) -> dict[str, Tensor]:
        """Return the measures of images ``[N, 3, h, w]``; none without a parser."""
        if self.parser is None:
            return {}
        return measures(images, self.parser(images, self.parse_size))

    def measure(self, name: str, images: Tensor) -> Tensor:
        """Return one measure ``[N]`` of images ``[N, 3, S, S]``; there must be a parser."""
        assert self.parser is not None
        return measure_of(name, images, self.parser(images, self.parse_size))

    def sample_whole(
        self, first: int, count: int, regions: Sequence[str], batch: int
    ) -> Iterator[Faces]:
        """Yield batches of samples that have all regions, until there are ``count`` of them.

        Args:
            first: The seed of the first sample.
            count: The number of samples in all batches.
            regions: Their names.
            batch: The number of seeds that are sampled together.

        Raises:
            PandaError: Where hardly any sample has the regions.
        """
        left, seed = count, first
        while left > 0:
            if seed - first > 10 * count + 100:
                raise PandaError(
                    f"hardly any image of {self.generator.name} has {', '.join(regions)};"
                    " take boxes for regions"
                )
            faces = self.sample(range(seed, seed + min(batch, left)))
            seed += len(faces)
            faces = faces.take(faces.have(regions))
            left -= len(faces)
            if len(faces):
                yield faces

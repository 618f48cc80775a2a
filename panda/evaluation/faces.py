"""The images that edits are compared on: samples, their regions, and their measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.metrics.face_shapes import shapes
from panda.metrics.parsing import FaceParser
from panda.metrics.regions import Boxes, Parsed, Regions, widened
from panda.metrics.roir import SIZE, small


@dataclass(frozen=True)
class Faces:
    """Some samples before any edit: small images, regions ``[N, S, S]`` by name, shapes ``[N]``."""

    latents: Latents
    before: Tensor
    regions: dict[str, Tensor]
    shapes: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.latents)

    def whole(self, names: Sequence[str]) -> Tensor:
        """Which of the samples have all of these regions, ``[N]`` bool."""
        found = [self.regions[name].flatten(1).any(1) for name in names]
        return torch.stack(found).all(0)

    @staticmethod
    def joined(some: Sequence[Faces]) -> Faces:
        """All of them, in order; there is at least one."""

        def join(parts: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
            first, *others = parts
            return {name: torch.cat([t, *(o[name] for o in others)]) for name, t in first.items()}

        return Faces(
            Latents(
                tuple(seed for faces in some for seed in faces.latents.seeds),
                join(faces.latents.tensors for faces in some),
            ),
            torch.cat([faces.before for faces in some]),
            join(faces.regions for faces in some),
            join(faces.shapes for faces in some),
        )

    def take(self, rows: Tensor) -> Faces:
        """Some of them, by a mask ``[N]`` or numbers."""
        # A list: measures are on the CPU, masks and images on the generator's device.
        chosen = (rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows).tolist()
        return Faces(
            Latents(
                tuple(self.latents.seeds[i] for i in chosen),
                {name: tensor[chosen] for name, tensor in self.latents.tensors.items()},
            ),
            self.before[chosen],
            {name: mask[chosen] for name, mask in self.regions.items()},
            {name: value[chosen] for name, value in self.shapes.items()},
        )


@dataclass(frozen=True)
class FaceSampler:
    """A generator, and how its images are looked at; without a parser, there are only boxes."""

    generator: Generator
    parser: FaceParser | None
    boxes: bool = False
    size: int = SIZE
    parse_size: int = 512

    @cached_property  # methods that start from the same regions share what they find there
    def regions(self) -> Regions:
        """Where regions come from."""
        if self.parser is None or self.boxes:
            return Boxes()
        return Parsed(self.parser, self.parse_size)

    def faces(self, seeds: Sequence[int]) -> Faces:
        """Sample seeds at the usual truncation, and measure them."""
        latents = self.generator.sample(seeds, truncation=self.generator.usual_truncation)
        before = small(self.generator.forward(latents), self.size)
        # Edited images are kept small, so the unedited ones are parsed small too.
        parsed = None if self.parser is None else self.parser(before, self.parse_size)
        if parsed is None or self.boxes:
            found = Boxes().find(before, self.size)
        else:
            found = widened(parsed, self.size)
        return Faces(latents, before, found, {} if parsed is None else shapes(parsed))

    def shapes(self, images: Tensor) -> dict[str, Tensor]:
        """The shapes of images, or none without a parser."""
        return {} if self.parser is None else shapes(self.parser(images, self.parse_size))

    def whole(self, first: int, count: int, names: Sequence[str], batch: int) -> Iterator[Faces]:
        """Batches of samples from seed ``first`` on that have all regions, ``count`` in all.

        Raises `PandaError` where hardly any has.
        """
        left, seed = count, first
        while left > 0:
            if seed - first > 10 * count + 100:
                raise PandaError(
                    f"hardly any image of {self.generator.name} has {', '.join(names)};"
                    " take boxes for regions"
                )
            faces = self.faces(range(seed, seed + min(batch, left)))
            seed += len(faces)
            found = faces.take(faces.whole(names))
            left -= len(found)
            if len(found):
                yield found

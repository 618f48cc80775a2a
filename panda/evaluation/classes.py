"""What face parsing sees in samples, once for all layers and fits of a generator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.evaluation.parsed import BATCH, parse_faces
from panda.generators.contract import Generator
from panda.generators.seeds import Seeds, as_seeds
from panda.metrics.parsing import FaceParser, mask
from panda.metrics.roir import small
from panda.naming.names import COMMON, GROUPS, LEAST
from panda.progress import bar

MAP = 64
"""Positions at which parts and classes are compared, at all layers alike."""

KEPT = 3
"""Images that are kept for pictures."""


@dataclass(frozen=True, eq=False)
class ClassMaps:
    """The classes of N samples: the groups of `panda.naming.names.GROUPS`.

    Attributes:
        parsed: Class maps ``[N, h, w]`` uint8.
        images: A few of the samples, ``[M, 3, h, w]`` in [-1, 1].
    """

    parsed: Tensor
    images: Tensor

    @cached_property
    def maps(self) -> Tensor:
        """How much of each position a class has, ``[N, C, MAP, MAP]`` in [0, 1]."""
        return torch.stack(
            [
                F.adaptive_avg_pool2d(mask(self.parsed, *classes).float(), MAP)
                for classes in GROUPS.values()
            ],
            1,
        )

    @cached_property
    def present(self) -> Tensor:
        """Which samples have enough of which class to call it so, ``[N, C]`` bool."""
        least = torch.tensor([LEAST[name] for name in GROUPS])
        return self.maps.mean((2, 3)) >= least

    @property
    def common(self) -> list[int]:
        """The numbers of the classes that at least half of the samples have."""
        share = self.present.float().mean(0)
        return [column for column, value in enumerate(share.tolist()) if value >= COMMON]


def parse_classes(generator: Generator, parser: FaceParser, seeds: Seeds) -> ClassMaps:
    """Sample seeds at the usual truncation, and parse them.

    Raises:
        PandaError: Where the first of them are no faces.
    """
    seeds = as_seeds(seeds)
    parsed: list[Tensor] = []
    kept: list[Tensor] = []
    with bar(total=len(seeds), desc="parse", unit="img") as progress:
        for start in range(0, len(seeds), BATCH):
            chosen = seeds[start : start + BATCH]
            latents = generator.sample(chosen, truncation=generator.usual_truncation)
            images = small(generator.forward(latents))
            parsed.append(parse_faces(generator, parser, images, check=start == 0).cpu())
            kept += images[: KEPT - start].cpu() if start < KEPT else []
            progress.update(len(chosen))
    return ClassMaps(torch.cat(parsed), torch.stack(kept))

"""ReSeFa (Zhu et al., ICML 2022): the greatest change inside a region for the least outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.factorization.linear_algebra import fix_signs
from panda.generators.contract import Generator
from panda.generators.latent_spaces import w_space
from panda.methods.changes import Change, WChange
from panda.methods.gradients import Sensitivity, sensitivities
from panda.methods.method import Method
from panda.metrics.regions import Regions

RIDGE = 1e-3
"""Times the trace of the outside's matrix: what its authors add to make it of full rank."""


@dataclass(frozen=True)
class ReSeFa(Method):
    """Generalized eigenvectors of J^T J inside and outside, of each image and of all together."""

    name = "resefa"
    source = "arXiv 2202.09649"
    images: int = 5
    pixels: int = 256
    directions: int = 5
    """How many are listed for each region and image."""
    start: int = 4
    stop: int = 8
    """The slots that it moves: 4 to 7."""
    subspace: int | None = None

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.fit`."""
        space = w_space(generator, "ReSeFa")
        all_of = list(sensitivities(space, regions, self.images, self.pixels, self.subspace))
        found: dict[str, Change] = {}
        for region in dict.fromkeys(one.region for one in all_of):
            own = [one for one in all_of if one.region == region]
            named = [("all images", *_sum(own))]
            named += [(f"image {one.image}", one.inside, one.outside) for one in own]
            for of, inside, outside in named:
                for k, row in enumerate(rayleigh(inside, outside)[: self.directions]):
                    found[f"{region} {k} of {of}"] = WChange(row, self.start, self.stop)
        return found


def _sum(own: list[Sensitivity]) -> tuple[Tensor, Tensor]:
    return torch.stack([o.inside for o in own]).sum(0), torch.stack([o.outside for o in own]).sum(0)


def rayleigh(inside: Tensor, outside: Tensor) -> Tensor:
    """Directions (rows of norm one, best first) that maximize ``n^T inside n / n^T outside n``."""
    from scipy.linalg import eigh

    ridge = RIDGE * outside.trace() * torch.eye(len(outside), dtype=outside.dtype)
    _, vectors = eigh(inside.numpy(), (outside + ridge).numpy())
    rows = torch.from_numpy(vectors).flip(1).T
    return fix_signs(rows / rows.norm(dim=1, keepdim=True)).float()

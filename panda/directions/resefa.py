"""ReSeFa (Zhu et al., ICML 2022): the greatest change inside a region for the least outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, WChange
from panda.directions.gradients import Sensitivity, sensitivities
from panda.directions.method import Method
from panda.factorization.linear_algebra import fix_signs
from panda.generators.contract import Generator
from panda.generators.latent_spaces import w_space
from panda.metrics.regions import Regions

RIDGE = 1e-3
"""Times the trace of the outside's matrix, added for full rank (``--tao`` of the released code)."""


@dataclass(frozen=True)
class ReSeFa(Method):
    """Generalized eigenvectors of J^T J inside and outside a region.

    Of each image alone, and of the sums over all images. J is the Jacobian of an image with
    respect to w. Directions have norm one.

    Source: arXiv 2202.09649, section 3; ``compute_direction.py`` of the released code.

    Attributes:
        images: Images whose Jacobian is taken.
        pixels: Their width.
        directions: Directions for each region and image.
        start: The first slot that is moved.
        stop: The slot after the last that is moved.
        subspace: See `panda.directions.gradients.sensitivities`.
    """

    name = "resefa"
    source = "arXiv 2202.09649"
    images: int = 5
    pixels: int = 256
    directions: int = 5
    start: int = 4
    stop: int = 8
    subspace: int | None = None

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        space = w_space(generator, "ReSeFa")
        by_region: dict[str, list[Sensitivity]] = {}
        for each in sensitivities(space, regions, self.images, self.pixels, self.subspace):
            by_region.setdefault(each.region, []).append(each)
        edits: dict[str, Change] = {}
        for region, several in by_region.items():
            pairs = {"all images": _sum(several)}
            pairs |= {f"image {each.image}": (each.inside, each.outside) for each in several}
            for origin, (inside, outside) in pairs.items():
                for k, row in enumerate(rayleigh(inside, outside)[: self.directions]):
                    edits[f"{region} {k} of {origin}"] = WChange(row, self.start, self.stop)
        return edits


def _sum(several: list[Sensitivity]) -> tuple[Tensor, Tensor]:
    """Return the sums ``[D, D]`` inside and outside over images."""
    inside = torch.stack([each.inside for each in several]).sum(0)
    return inside, torch.stack([each.outside for each in several]).sum(0)


def rayleigh(inside: Tensor, outside: Tensor) -> Tensor:
    """Return the directions that maximize ``n^T inside n / n^T outside n``.

    Args:
        inside: ``[D, D]``, symmetric.
        outside: ``[D, D]``, symmetric.

    Returns:
        ``[D, D]``, rows of norm one, best first.
    """
    from scipy.linalg import eigh

    ridge = RIDGE * outside.trace() * torch.eye(len(outside), dtype=outside.dtype)
    _, vectors = eigh(inside.numpy(), (outside + ridge).numpy())
    rows = torch.from_numpy(vectors).flip(1).T
    return fix_signs(rows / rows.norm(dim=1, keepdim=True)).float()

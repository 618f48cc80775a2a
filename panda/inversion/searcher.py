"""The search for one picture after the other, through the spaces of a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from panda import __version__
from panda.directions.kept import keep
from panda.generators.contract import Generator, Latents
from panda.generators.labels import Label
from panda.inversion.candidates import Candidates
from panda.inversion.coordinates import FEATURES, Coordinates, SearchedLatents, measure
from panda.inversion.descent import StepCounter, descend
from panda.inversion.features import SearchedFeatures
from panda.inversion.objective import Error, Objective
from panda.inversion.plan import Plan


@dataclass(frozen=True, eq=False)
class Found:
    """The best point of the search for one picture.

    Attributes:
        latents: One row.
        image: What they make, ``[1, channels, H, W]`` float32 on the CPU.
        error: Of the image.
        trace: LPIPS before each step.
    """

    latents: Latents
    image: Tensor
    error: Error
    trace: list[float]


class Searcher:
    """Searches pictures, one after the other; what all have in common is computed once.

    Args:
        generator: The generator.
        plan: Where to search.
        seeds: Of the samples that a search may start from.
        label: Their class or text; None where it follows from the seed.
    """

    def __init__(
        self, generator: Generator, plan: Plan, seeds: Sequence[int], label: Label | None
    ) -> None:
        self._generator, self._plan, self._seeds, self._label = generator, plan, seeds, label

    @cached_property
    def _candidates(self) -> Candidates:
        return Candidates.of(self._generator, self._seeds, self._label, self._plan.layer)

    @cached_property
    def _coordinates(self) -> Coordinates:
        return measure(self._generator, self._candidates.latents)

    def __call__(self, objective: Objective, counter: StepCounter) -> Found:
        """Return the best point for one picture."""
        trace = list[float]()
        latents = start = self._candidates.nearest(objective)
        x: Tensor | None = None
        for space, steps in self._plan.stages.items():
            searched: SearchedLatents | SearchedFeatures
            if space == FEATURES:
                searched = self._features(latents)
            else:
                x = self._coordinates.of(start) if x is None else x
                x = self._coordinates.widen(x) if space == "w+" else x
                searched = SearchedLatents(self._generator, self._coordinates, start, x)
            x, image, error = descend(searched, objective, steps, counter, trace)
            latents = searched.latents(x)
        return Found(latents, image.float().cpu(), error, trace)

    def kept(
        self, picture: Tensor, inside: Tensor | None, objective: Objective, counter: StepCounter
    ) -> Found:
        """Return the best point for one picture, from the cache where that has it.

        Args:
            picture: The picture, float32.
            inside: What counts of it; see `Objective`.
            objective: Of both.
            counter: Counts each step.
        """
        settings = {
            "picture": _sha256(picture),
            "inside": None if inside is None else _sha256(inside),
            "stages": dict(self._plan.stages),
            "layer": self._plan.layer,
            "seeds": list(self._seeds),
            "label": self._label,
            "panda": __version__,
        }
        searched = list[Found]()

        def search() -> dict[str, Tensor]:
            found = self(objective, counter)
            searched.append(found)
            rows = {f"latents.{name}": rows for name, rows in found.latents.tensors.items()}
            seed = torch.tensor(found.latents.seeds, dtype=torch.float64)  # exact below 2 ** 53
            return {**rows, "seed": seed, "trace": torch.tensor(found.trace)}

        tensors = keep("inversion", settings, self._generator, search, kind="inversions")
        if searched:
            return searched[0]
        counter.skip(self._plan.steps)
        return self._loaded(tensors, objective)

    def _loaded(self, tensors: Mapping[str, Tensor], objective: Objective) -> Found:
        """Return what the cache has of a picture."""
        generator, prefix = self._generator, "latents."
        sample = generator.sample([0], truncation=1.0, label=self._label)
        dtype = next(rows.dtype for rows in sample.tensors.values() if rows.is_floating_point())
        rows = {
            name.removeprefix(prefix): row.to(generator.device, dtype)
            for name, row in tensors.items()
            if name.startswith(prefix)
        }
        labels = None if self._label is None else (self._label,)
        latents = Latents((int(tensors["seed"][0]),), rows, sample.generator, labels)
        with torch.no_grad():
            image = generator.forward(latents)
            error = objective(image)
        trace = [round(value, 5) for value in tensors["trace"].tolist()]
        return Found(latents, image.float().cpu(), error, trace)

    def _features(self, latents: Latents) -> SearchedFeatures:
        layer, deviation = self._plan.layer, self._candidates.deviation
        assert layer is not None and deviation is not None
        return SearchedFeatures(self._generator, latents, layer, deviation)


def _sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.cpu().numpy().tobytes()).hexdigest()

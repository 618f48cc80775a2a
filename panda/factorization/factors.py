"""Factors: what a fit returns, what edits need, and everything that reproduces them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import torch
from PIL import Image
from torch import Tensor

from panda.errors import PandaError
from panda.factorization.background import BORDERS
from panda.factorization.display import SIZE, html_of_parts, picture_of_parts
from panda.factorization.factor_files import (
    TENSORS,
    WEIGHTS,
    check_folder,
    read_factors,
    write_factors,
)
from panda.factorization.inputs import as_path, joined_seeds
from panda.factorization.part_names import Parts, find_parts, part_names
from panda.factorization.stability import (
    UNSTABLE,
    Curve,
    read_curves,
    stability_of_axes,
    stability_of_parts,
    stable_first,
    unstable,
)
from panda.factorization.verdict import Verdict
from panda.files.unchanged import unchanged
from panda.generators.contract import Generator, Layer, on_canvas
from panda.generators.identity import check_weights
from panda.generators.labels import Label, label_text
from panda.generators.one_class import whole
from panda.generators.seeds import as_whole
from panda.shapes import CHANNELS, Size, within


@dataclass(frozen=True, eq=False, repr=False)
class Factors:
    """Parts (where) and appearances (what) of one layer of one generator.

    Two factors are equal only if they are the same object, as for any object with tensors.

    Attributes:
        generator: The generator's name.
        layer: The layer of the features.
        appearances: A ``[C, R_C]``.
        parts: P ``[S, R_S]``, non-negative.
        spread: ``[R_C, R_S]``, the standard deviation over samples of each appearance's coordinate
            averaged over each part.
        own: ``[R_S, L, C]``, for each part the unit axes inside span(A) along which it varies most
            from sample to sample, strongest first. (A fit determines A A^T only and leaves the
            rotation of A free, so every part may have its own.)
        own_spread: ``[R_S, L]``, the standard deviation of each part along these axes.
        background: ``[C]``, the appearance of what surrounds the object.
        background_detector: ``[C]``, whose coordinate tells where that is; see
            `panda.factorization.background`.
        mean: ``[C]``, the mean feature.
        config: The seeds, ranks, solver, versions and loss trace, the digest of the generator's
            weights, and the names of parts.
    """

    generator: str
    layer: Layer
    appearances: Tensor
    parts: Tensor
    spread: Tensor
    own: Tensor
    own_spread: Tensor
    background: Tensor
    background_detector: Tensor
    mean: Tensor
    config: Mapping[str, Any]

    def __repr__(self) -> str:
        layer = self.layer
        loss = "" if self.loss != self.loss else f", loss {self.loss:.3f}"
        return (
            f"Factors({self.parts.shape[-1]} parts, {self.appearances.shape[-1]} appearances,"
            f" {layer.name} [{layer.channels}, {layer.height}, {layer.width}] of"
            f" {self.generator}{loss})"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the parts in colors, with their numbers and names."""
        return html_of_parts(repr(self), self.show(), self.part_titles, self.stable_parts)

    @property
    def size(self) -> Size:
        """Height and width of the generator's images.

        Factors of before have none; theirs is the layer's, whose proportions are the same.
        """
        layer = self.layer
        margins = 2 * layer.margin
        height, width = self.config.get("size", (layer.height - margins, layer.width - margins))
        return height, width

    def show(self, over: Image.Image | Tensor | None = None, *, size: int = SIZE) -> Image.Image:
        """Return a picture of all parts, each in a color of its own.

        Args:
            over: What to draw them over, such as a sample: a picture, or an image
                ``[channels, H, W]`` in [-1, 1]; by default black.
            size: The longer side of the picture, in pixels.
        """
        pixels = as_whole(size)
        if pixels is None or not 1 <= pixels <= 2**14:
            raise PandaError(f"size is {size!r:.60}, expected a number of pixels from 1 to 16384")
        if isinstance(over, Tensor) and (over.ndim != 3 or len(over) not in CHANNELS):
            raise PandaError(
                f"the image has shape {list(over.shape)}, expected one image [3, H, W] in [-1, 1]"
            )
        if not isinstance(over, Image.Image | Tensor | None):
            raise PandaError(f"over is {over!r:.60}, expected a picture or an image [3, H, W]")
        return picture_of_parts(self.masks, over, within(self.size, pixels))

    @cached_property
    def masks(self) -> Tensor:
        """Where each part is in the image: its weight in edits, ``[R_S, h, w]`` in [0, 1].

        Margins (`Layer.margin`) are cut off, so the masks cover the image and nothing else;
        `padded_masks` cover the features.
        """
        return self.as_masks(self.parts[None])[0]

    @cached_property
    def padded_masks(self) -> Tensor:
        """Where each part is in the features, margins included, ``[R_S, H, W]`` in [0, 1].

        Each part is scaled by its own range (released ``mapRange``).
        """
        return self._padded(self.parts[None])[0]

    def as_masks(self, parts: Tensor) -> Tensor:
        """Return parts ``[N, S, R_S]``, such as refined ones, as `masks` ``[N, R_S, h, w]``."""
        masks = on_canvas(self._padded(parts).flatten(0, 1), self.layer)
        return masks.view(len(parts), -1, *masks.shape[1:])

    def _padded(self, parts: Tensor) -> Tensor:
        """Return parts ``[N, S, R_S]`` as `padded_masks` ``[N, R_S, H, W]``."""
        size = (len(parts), -1, self.layer.height, self.layer.width)
        return scale_parts(parts).mT.reshape(size)

    @property
    def loss(self) -> float:
        """The fraction of the features' energy that the factors leave; NaN for imported ones."""
        return float(self.config["trace"][-1]) if self.config.get("trace") else float("nan")

    @property
    def border(self) -> int:
        """The outer rows and columns of the image that have artifacts and are not looked at."""
        count = as_whole(self.config.get("border", 0)) or 0
        size = min(self.layer.height, self.layer.width) - 2 * self.layer.margin
        return count if 0 < 4 * count < size else 0

    @property
    def background_border(self) -> str:
        """Where background meets the border of the images (`panda.factorization.background`)."""
        facts = self.config.get("background")
        border = facts.get("border") if isinstance(facts, Mapping) else None
        return border if border in BORDERS else BORDERS[0]

    @property
    def verdict(self) -> Verdict | None:
        """What speaks for a background; None where it is not known, as from few samples."""
        return Verdict.of_facts(self.config.get("background"))

    @property
    def part_stability(self) -> tuple[float, ...]:
        """How well each part agrees between two halves of the samples, a cosine up to 1.

        There is none for older or imported factors, and for those of the solver ``"paper"``.
        """
        return stability_of_parts(self.config, self.parts.shape[1])

    @property
    def unstable_parts(self) -> list[int]:
        """The numbers of the parts that differ between two halves of the samples."""
        return unstable(self.part_stability)

    @property
    def stable_parts(self) -> list[int]:
        """The numbers of all parts: those first on which halves of the samples agree.

        Both groups keep their order, strongest first.
        """
        return stable_first(self.parts.shape[1], self.part_stability)

    @property
    def part_titles(self) -> list[str]:
        """How each part is called: its number, its name if it has one, and whether it is unstable.

        They are in the order of the parts; `stable_parts` is that in which they are shown.
        """
        names = self.part_names or [""] * self.parts.shape[1]
        titles = [f"{part} {name}".strip() for part, name in enumerate(names)]
        for part in self.unstable_parts:
            titles[part] += UNSTABLE
        return titles

    def stable_axes(self, part: int) -> list[int]:
        """Return the numbers of a part's own axes: those first on which halves of samples agree.

        Both groups keep their order, strongest first.
        """
        return stable_first(self.own.shape[1], self._axes(part))

    def unstable_axes(self, part: int) -> list[int]:
        """Return the numbers of a part's own axes that differ between two halves of the samples."""
        return unstable(self._axes(part))

    def _axes(self, part: int) -> tuple[float, ...]:
        return stability_of_axes(self.config, part, *self.own.shape[:2])

    @property
    def curves(self) -> dict[str, Curve]:
        """What the numbers of ``"parts"`` and ``"appearances"`` were chosen from, if they were.

        Each has rows of a number, the loss, and the stability.
        """
        return read_curves(self.config)

    @property
    def has_background(self) -> bool:
        """Whether a background was found, as far as is known."""
        verdict = self.verdict
        return self.background_border != "none" and (verdict is None or verdict.found)

    @property
    def no_background(self) -> str:
        """Why the background cannot be used, in a sentence; empty where it can."""
        if self.has_background:
            return ""
        verdict = self.verdict
        reason = verdict.reason if verdict and self.background_border != "none" else "as was asked"
        return f"no background was found at {self.layer.name} of {self.generator}: {reason}"

    def check_background(self) -> None:
        """Raise `PandaError` where no background was found."""
        if not self.has_background:
            raise PandaError(
                f"{self.no_background}; another layer or --border (border=) of the fit may find one"
            )

    @property
    def seeds(self) -> str:
        """The seeds of a fit with otherwise default settings, such as ``"0-999"``, or ``""``.

        Together with the generator, the layer and the ranks they reproduce the factors.
        """
        plain = {"truncation": 1.0, "label": None, "solver": {"name": "joint"}}
        usual = self.background_border == BORDERS[0]
        if not usual or any(self.config.get(k, "missing") != value for k, value in plain.items()):
            return ""
        seeds = self.config.get("seeds", "")
        return joined_seeds(seeds) if isinstance(seeds, list) else str(seeds)

    @property
    def digest(self) -> str:
        """The `Generator.digest` of the weights that were fitted; empty in older factors."""
        return str(self.config.get("weights_sha256", ""))

    @property
    def label(self) -> Label | None:
        """The class or text of all samples of the fit; None where they differ or have none."""
        label = self.config.get("label")
        return label if type(label) in (int, str) else None

    @property
    def part_names(self) -> tuple[str, ...]:
        """The name of each part, such as ``"hair"``; none until `panda name` has named them.

        Several parts may have the same name.
        """
        return part_names(self.config, self.parts.shape[1])

    def find_parts(self, parts: Parts) -> tuple[int, ...]:
        """Return the numbers of parts, given by number or by name.

        Args:
            parts: A number (``3``), text with numbers, ranges and names (``"3"``, ``"0+1"``,
                ``"0,1"``, ``"0-3"``, ``"hair"``, ``"hair+eyes"``), or a sequence or array of them.
                A name stands for all parts of exactly that name, or else for all that have it among
                others (``"nose"`` for ``"mouth, nose"``), in upper or lower case.

        Returns:
            Each part once, in the order given; none for an empty sequence.

        Raises:
            PandaError: Where there is no such part.
        """
        return find_parts(parts, self.parts.shape[1], self.part_names)

    def transform(self, features: Tensor) -> Tensor:
        """Return coordinates A^T Z P of features.

        Args:
            features: Z ``[N, C, H, W]``, on any device; arrays of NumPy will do.

        Returns:
            The coordinates, ``[N, R_C, R_S]``, on the device of the features.
        """
        layer = self.layer
        Z = _as_floats("features", features, (layer.channels, layer.height, layer.width))
        return self.appearances.to(Z).T @ Z.flatten(2) @ self.parts.to(Z)

    def inverse_transform(self, coordinates: Tensor) -> Tensor:
        """Return features A Y P^T of coordinates.

        Args:
            coordinates: Y ``[N, R_C, R_S]``, on any device; arrays of NumPy will do.

        Returns:
            The features, ``[N, C, H, W]``, on the device of the coordinates.
        """
        Y = _as_floats("coordinates", coordinates, tuple(self.spread.shape))
        features = self.appearances.to(Y) @ Y @ self.parts.to(Y).T
        return features.view(-1, self.layer.channels, self.layer.height, self.layer.width)

    def vector(self, appearance: SupportsIndex | str, parts: Parts = ()) -> tuple[Tensor, float]:
        """Return an appearance as a vector, and how far its coordinate varies.

        Args:
            appearance: A column of A by its number; ``"p0"``, ``"p1"``, ... for the own axes of the
                one part given; or ``"bg"`` for the background.
            parts: See `find_parts`; by default all.

        Returns:
            The vector ``[C]``, and the standard deviation of its coordinate over samples, averaged
            over the parts.

        Raises:
            PandaError: For an appearance or part that does not exist, and ``"bg"`` where no
                background was found.
        """
        rank_c = self.appearances.shape[1]
        chosen = list(self.find_parts(parts))
        if isinstance(appearance, str) and appearance != "bg":
            axis = int(appearance[1:]) if re.fullmatch(r"p[0-9]{1,6}", appearance) else -1
            if not 0 <= axis < self.own.shape[1] or len(chosen) != 1:
                raise PandaError(
                    f"appearance {appearance!r:.60} of parts {chosen}: expected one part and p0 to"
                    f" p{self.own.shape[1] - 1}, or bg, or a number"
                )
            return self.own[chosen[0], axis], float(self.own_spread[chosen[0], axis])
        if isinstance(appearance, str):
            self.check_background()
            return self.background, float(self.background.norm())
        column = as_whole(appearance)
        if column is None or not 0 <= column < rank_c:
            raise PandaError(
                f"appearance {appearance!r:.60}: these factors have appearances 0 to {rank_c - 1}"
            )
        spread = self.spread[column, chosen] if chosen else self.spread[column]
        return self.appearances[:, column], float(spread.mean())

    def check(self, generator: Generator) -> None:
        """Raise `PandaError` unless these are factors of these weights and of their layer.

        A generator that is held to one class needs factors of that class, or of all classes.
        """
        name, held = whole(generator)
        if name == self.generator:  # of two modules of one class, sizes say more than weights
            self._check_layer(generator)
        check_weights(generator, "factors", self.generator, self.digest, "fit factors for it")
        if held is not None and self.label not in (None, held):
            mine = label_text(self.label, generator.labels)
            raise PandaError(
                f"these are factors of {self.generator}@{mine}, but the generator is"
                f" {generator.name}; fit factors for it"
            )
        self._check_layer(generator)

    def _check_layer(self, generator: Generator) -> None:
        layer = generator.layer(self.layer.name)
        if layer != self.layer:
            raise PandaError(
                f"these factors are for {self.layer}, but {generator.name} has {layer}; fit factors"
                " for it"
            )

    def to(self, device: torch.device | str) -> Factors:
        """Return these factors with their tensors on another device."""
        try:
            place = torch.device(device)
            moved = {name: tensor.to(place) for name, tensor in self._tensors().items()}
        except (RuntimeError, TypeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise PandaError(f"device {device!r:.60} cannot be used: {reason}") from error
        return Factors(self.generator, self.layer, config=self.config, **moved)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write config.json and factors.safetensors.

        Args:
            folder: A new folder, or one with earlier factors, which are replaced.

        Returns:
            The folder.

        Raises:
            PandaError: Where the folder has other files or cannot be written.
        """
        path = as_path(folder, "the folder of factors")
        write_factors(path, self.generator, self.layer, self.config, self._tensors())
        return path

    @staticmethod
    def check_folder(folder: str | os.PathLike[str]) -> None:
        """Raise `PandaError` where saving would replace anything but earlier factors."""
        check_folder(as_path(folder, "the folder of factors"))

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> Factors:
        """Read what `save` wrote; raises `PandaError` where it is something else or damaged."""
        path = as_path(folder, "the folder of factors")
        with unchanged(path / "config.json", path / WEIGHTS):
            generator, layer, config, tensors = read_factors(path)
        return Factors(generator, layer, config=config, **tensors)

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in TENSORS}


def scale_parts(parts: Tensor) -> Tensor:
    """Scale the columns of ``[..., S, R_S]`` to [0, 1]; a constant column becomes all one."""
    low, high = parts.amin(-2, keepdim=True), parts.amax(-2, keepdim=True)
    span = high - low
    return torch.where(span > 0, (parts - low) / span.clamp_min(1e-30), 1.0)


def _as_floats(name: str, values: Any, shape: tuple[int, ...]) -> Tensor:
    """Return an array-like of ``[N, *shape]`` as a tensor of floats; raise `PandaError` else."""
    try:
        tensor = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        raise PandaError(f"{name} are {values!r:.60}, expected a tensor") from None
    if tuple(tensor.shape[1:]) != shape or tensor.ndim != len(shape) + 1:
        raise PandaError(
            f"{name} have shape {list(tensor.shape)}, expected [N, {', '.join(map(str, shape))}]"
        )
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()

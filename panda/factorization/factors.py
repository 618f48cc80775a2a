"""Factors: what a fit gives, what edits need, and all that reproduces them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.errors import PandaError
from panda.factorization.part_names import Parts, find_parts, part_names
from panda.files.writing import check_target, no_pipe, staging
from panda.generators.contract import Generator, Layer

FORMAT = 1
WEIGHTS = "factors.safetensors"
TENSORS = {
    "appearances": 2,
    "parts": 2,
    "spread": 2,
    "own": 3,
    "own_spread": 2,
    "background": 1,
    "background_detector": 1,
    "mean": 1,
}
"""The tensors of factors, and how many dimensions each has."""


@dataclass(frozen=True)
class Factors:
    """Parts (where) and appearances (what) of one layer of one generator.

    appearances: A ``[C, R_C]``. parts: P ``[S, R_S]``, non-negative.
    spread: ``[R_C, R_S]``, the standard deviation over samples of each appearance's coordinate
    averaged over each part.
    own: ``[R_S, L, C]``, for each part the unit axes inside span(A) along which it varies most from
    sample to sample, strongest first, and own_spread ``[R_S, L]`` its standard deviation there.
    (A A^T is what a fit finds; it leaves the rotation of A free, so every part may have its own.)
    background: ``[C]``, the appearance of what surrounds the object, and background_detector
    ``[C]``, whose coordinate tells where that is; see `panda.factorization.background`.
    mean: ``[C]``, the mean feature. config: the seeds, ranks, solver, versions and loss trace.
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

    @cached_property
    def masks(self) -> Tensor:
        """Each part scaled to [0, 1] by its own range, ``[R_S, H, W]`` (released ``mapRange``)."""
        return self.as_masks(self.parts[None])[0]

    def as_masks(self, parts: Tensor) -> Tensor:
        """Parts ``[N, S, R_S]``, such as refined ones, as masks ``[N, R_S, H, W]`` in [0, 1]."""
        size = (len(parts), -1, self.layer.height, self.layer.width)
        return scale_parts(parts).mT.reshape(size)

    @property
    def loss(self) -> float:
        """The fraction of the features' energy that the factors leave."""
        return float(self.config["trace"][-1]) if self.config.get("trace") else float("nan")

    @property
    def seeds(self) -> str:
        """The seeds of a fit with nothing else out of the ordinary, such as ``"0-999"``, or none.

        Together with the generator, the layer and the ranks they make the same factors again.
        """
        plain = {"truncation": 1.0, "label": None, "solver": {"name": "joint"}}
        if any(self.config.get(name, "missing") != value for name, value in plain.items()):
            return ""
        seeds = self.config.get("seeds", "")
        return ",".join(map(str, seeds)) if isinstance(seeds, list) else str(seeds)

    @property
    def part_names(self) -> tuple[str, ...]:
        """The name of each part, such as ``"hair"``, once `panda name` has found them; else none.

        They need not differ: several parts may be hair.
        """
        return part_names(self.config, self.parts.shape[1])

    def find_parts(self, parts: Parts) -> tuple[int, ...]:
        """Return the numbers of parts, given by number or by name.

        Args:
            parts: A number (``3``), text with numbers, ranges and names (``"3"``, ``"0+1"``,
                ``"0,1"``, ``"0-3"``, ``"hair"``, ``"hair+eyes"``), or a sequence or array of them.
                A name stands for all parts that have it, or else for all that have it among others
                (``"nose"`` for ``"mouth, nose"``); upper and lower case are the same.

        Returns:
            Each part once, in the order in which it was asked for.

        Raises:
            PandaError: Where there is no such part, or none is asked for.
        """
        return find_parts(parts, self.parts.shape[1], self.part_names)

    def transform(self, features: Tensor) -> Tensor:
        """Coordinates A^T Z P, ``[N, R_C, R_S]``, of features ``[N, C, H, W]``."""
        return self.appearances.T @ features.flatten(2) @ self.parts

    def inverse_transform(self, coordinates: Tensor) -> Tensor:
        """Features A Y P^T, ``[N, C, H, W]``, of coordinates ``[N, R_C, R_S]``."""
        features = self.appearances @ coordinates @ self.parts.T
        return features.view(-1, self.layer.channels, self.layer.height, self.layer.width)

    def vector(self, appearance: int | str, parts: Sequence[int] = ()) -> tuple[Tensor, float]:
        """An appearance as a vector ``[C]``, and how far its coordinate varies in these parts.

        ``appearance`` is a column of A, ``"p0"``, ``"p1"``, ... for the own axes of the one part
        given, or ``"bg"`` for the background. Raises `PandaError` for one that does not exist.
        """
        rank_c, rank_s = self.spread.shape
        if not all(0 <= part < rank_s for part in parts):
            raise PandaError(f"parts {list(parts)}: these factors have parts 0 to {rank_s - 1}")
        if appearance == "bg":
            return self.background, float(self.background.norm())
        if isinstance(appearance, str):
            axis = int(appearance[1:]) if re.fullmatch(r"p[0-9]{1,6}", appearance) else -1
            if not 0 <= axis < self.own.shape[1] or len(parts) != 1:
                raise PandaError(
                    f"appearance {appearance!r} of parts {list(parts)}: expected one part and p0 to"
                    f" p{self.own.shape[1] - 1}, or bg, or a number"
                )
            return self.own[parts[0], axis], float(self.own_spread[parts[0], axis])
        if not 0 <= appearance < rank_c:
            raise PandaError(
                f"appearance {appearance}: these factors have appearances 0 to {rank_c - 1}"
            )
        spread = self.spread[appearance, list(parts)] if parts else self.spread[appearance]
        return self.appearances[:, appearance], float(spread.mean())

    def check(self, generator: Generator) -> None:
        """Raise `PandaError` unless these are factors of that generator and its layer as it is."""
        if self.generator != generator.name:
            raise PandaError(
                f"these are factors of {self.generator}, but the generator is {generator.name}"
            )
        if generator.layer(self.layer.name) != self.layer:
            raise PandaError(
                f"these factors are for {self.layer}, but {generator.name} has"
                f" {generator.layer(self.layer.name)}"
            )

    def to(self, device: torch.device) -> Factors:
        """The same factors with their tensors on another device."""
        moved = {name: tensor.to(device) for name, tensor in self._tensors().items()}
        return Factors(self.generator, self.layer, config=self.config, **moved)

    def save(self, folder: str | Path) -> Path:
        """Write config.json and factors.safetensors into a new or earlier factors folder."""
        folder = Path(folder)
        Factors.check_folder(folder)
        self._validate(folder)
        config = {
            "format": FORMAT,
            "generator": self.generator,
            "layer": asdict(self.layer),
            **self.config,
        }
        with staging(folder) as work:
            work.mkdir()
            save_tensors(work / WEIGHTS, self._tensors(), {})
            (work / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        return folder

    @staticmethod
    def check_folder(folder: Path) -> None:
        """Raise `PandaError` where saving would replace anything but earlier factors."""
        check_target(folder)
        if not folder.exists():
            return
        if folder.is_dir():
            names = {path.name for path in folder.iterdir()}
            if not names or (names == {"config.json", WEIGHTS} and _is_ours(folder)):
                return
        raise PandaError(f"{folder} exists and holds no factors; choose another folder")

    @staticmethod
    def load(folder: str | Path) -> Factors:
        """Read what `save` wrote; raises `PandaError` where it is something else or damaged."""
        folder = Path(folder)
        try:
            config = json.loads(no_pipe(folder / "config.json").read_text())
            layer = _layer(config.pop("layer"))
            generator = config.pop("generator")
            version = config.pop("format")
            if type(generator) is not str:
                raise TypeError(f"generator is {generator!r}, expected a name")
        except FileNotFoundError:
            raise PandaError(
                f"{folder} holds no factors (no config.json); make them with"
                f" 'panda fit GENERATOR LAYER --out {folder}'"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise PandaError(f"{folder / 'config.json'} is not that of factors: {error}") from error
        if type(version) is not int or version != FORMAT:
            raise PandaError(f"{folder} has factors of format {version!r}, expected {FORMAT}")
        tensors = load_tensors(folder / WEIGHTS, "fit the factors again")
        if tensors.keys() != set(TENSORS):
            raise PandaError(
                f"{folder / WEIGHTS} has tensors {', '.join(sorted(tensors))}, expected"
                f" {', '.join(sorted(TENSORS))}; fit the factors again"
            )
        factors = Factors(generator, layer, config=config, **tensors)
        factors._validate(folder)
        return factors

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in TENSORS}

    def _validate(self, where: Path) -> None:
        for name, tensor in self._tensors().items():
            if tensor.dtype != torch.float32 or tensor.ndim != TENSORS[name]:
                raise PandaError(
                    f"{where}: {name} is {tensor.dtype} with {tensor.ndim} dimensions, expected"
                    f" torch.float32 with {TENSORS[name]}"
                )
        channels, positions = self.layer.channels, self.layer.positions
        rank_c, rank_s = self.appearances.shape[-1], self.parts.shape[-1]
        expected = {
            "appearances": (channels, rank_c),
            "parts": (positions, rank_s),
            "spread": (rank_c, rank_s),
            "own": (rank_s, self.own_spread.shape[-1], channels),
            "own_spread": (rank_s, self.own_spread.shape[-1]),
            "background": (channels,),
            "background_detector": (channels,),
            "mean": (channels,),
        }
        for name, tensor in self._tensors().items():
            if tuple(tensor.shape) != expected[name]:
                raise PandaError(
                    f"{where}: {name} is {tuple(tensor.shape)}, layer {self.layer.name} needs"
                    f" {expected[name]}"
                )
            if not bool(torch.isfinite(tensor).all()):
                raise PandaError(f"{where}: {name} holds NaN or infinite values")
        if bool((self.parts < 0).any()) or bool((self.parts.amax(0) <= 0).any()):
            raise PandaError(f"{where}: parts must be non-negative and none may be all zero")


def _is_ours(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text())
        return set(config) >= {"format", "generator", "layer"}
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _layer(facts: Mapping[str, Any]) -> Layer:
    """A layer from JSON, checked field by field."""
    layer = Layer(**facts)
    sizes = (layer.channels, layer.height, layer.width)
    whole = all(type(size) is int for size in (*sizes, layer.margin))
    if type(layer.name) is not str or not whole or min(sizes) < 1 or layer.margin < 0:
        raise TypeError(f"{layer} is no layer")
    return layer


def scale_parts(parts: Tensor) -> Tensor:
    """Scale the columns of ``[..., S, R_S]`` to [0, 1]; a constant column becomes all one."""
    low, high = parts.amin(-2, keepdim=True), parts.amax(-2, keepdim=True)
    span = high - low
    return torch.where(span > 0, (parts - low) / span.clamp_min(1e-30), 1.0)

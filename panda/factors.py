"""Factors: what a fit gives, what edits need, and all that reproduces them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.errors import PandaError
from panda.generator import Generator, Layer
from panda.zoo.cache import staging

FORMAT = 1


@dataclass(frozen=True)
class Factors:
    """Parts (where) and appearances (what) of one layer of one generator.

    appearances: A ``[C, R_C]``. parts: P ``[S, R_S]``, non-negative.
    pooled_mean, pooled_std: ``[R_C, R_S]``, over samples, of each coordinate averaged over each
    part. mean_map: ``[R_C, S]``, the mean coordinate at each position. config: the seeds, ranks,
    solver, versions and loss trace that made them.
    """

    generator: str
    layer: Layer
    appearances: Tensor
    parts: Tensor
    pooled_mean: Tensor
    pooled_std: Tensor
    mean_map: Tensor
    config: Mapping[str, Any]

    @cached_property
    def masks(self) -> Tensor:
        """Each part scaled to [0, 1] by its own range, ``[R_S, H, W]`` (released ``mapRange``)."""
        return scale_parts(self.parts).T.reshape(-1, self.layer.height, self.layer.width)

    @property
    def loss(self) -> float:
        """The fraction of the features' energy that the factors leave."""
        return float(self.config["trace"][-1]) if self.config.get("trace") else float("nan")

    def transform(self, features: Tensor) -> Tensor:
        """Coordinates A^T Z P, ``[N, R_C, R_S]``, of features ``[N, C, H, W]``."""
        return self.appearances.T @ features.flatten(2) @ self.parts

    def inverse_transform(self, coordinates: Tensor) -> Tensor:
        """Features A Y P^T, ``[N, C, H, W]``, of coordinates ``[N, R_C, R_S]``."""
        features = self.appearances @ coordinates @ self.parts.T
        return features.view(-1, self.layer.channels, self.layer.height, self.layer.width)

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
        if folder.exists() and not (folder / "config.json").is_file() and any(folder.iterdir()):
            raise PandaError(f"{folder} exists and holds no factors; choose another folder")
        config = {
            "format": FORMAT,
            "generator": self.generator,
            "layer": asdict(self.layer),
            **self.config,
        }
        with staging(folder) as work:
            work.mkdir()
            save_tensors(work / "factors.safetensors", self._tensors(), {})
            (work / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        return folder

    @staticmethod
    def load(folder: str | Path) -> Factors:
        """Read what `save` wrote; raises `PandaError` where it is something else or damaged."""
        folder = Path(folder)
        try:
            config = json.loads((folder / "config.json").read_text())
            layer = Layer(**config.pop("layer"))
            generator = config.pop("generator")
            version = config.pop("format")
        except FileNotFoundError:
            raise PandaError(
                f"{folder} holds no factors (no config.json); make them with"
                f" 'panda fit GENERATOR LAYER --out {folder}'"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise PandaError(f"{folder / 'config.json'} is not that of factors: {error}") from error
        if version != FORMAT:
            raise PandaError(f"{folder} has factors of format {version}, expected {FORMAT}")
        tensors = load_tensors(folder / "factors.safetensors")
        try:
            factors = Factors(generator, layer, config=config, **tensors)
        except TypeError as error:
            raise PandaError(f"{folder}/factors.safetensors lacks tensors: {error}") from error
        factors._validate(folder)
        return factors

    def _tensors(self) -> dict[str, Tensor]:
        names = ("appearances", "parts", "pooled_mean", "pooled_std", "mean_map")
        return {name: getattr(self, name) for name in names}

    def _validate(self, where: Path) -> None:
        channels, positions = self.layer.channels, self.layer.positions
        rank_c, rank_s = self.appearances.shape[-1], self.parts.shape[-1]
        expected = {
            "appearances": (channels, rank_c),
            "parts": (positions, rank_s),
            "pooled_mean": (rank_c, rank_s),
            "pooled_std": (rank_c, rank_s),
            "mean_map": (rank_c, positions),
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


def scale_parts(parts: Tensor) -> Tensor:
    """Scale the columns of ``[..., S, R_S]`` to [0, 1]; a constant column becomes all one."""
    low, high = parts.amin(-2, keepdim=True), parts.amax(-2, keepdim=True)
    span = high - low
    return torch.where(span > 0, (parts - low) / span.clamp_min(1e-30), 1.0)


def read_npy(path: str | Path) -> Tensor:
    """Read a matrix of the released code's ``.npy`` factor files; never unpickles."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PandaError(f"{path} is not a plain .npy matrix: {error}") from error
    if array.ndim != 2 or array.dtype.kind != "f":
        raise PandaError(f"{path} holds {array.dtype} {array.shape}, expected a float matrix")
    return torch.from_numpy(array.astype(np.float32))

"""Factors on disk: a folder with config.json and factors.safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.errors import PandaError
from panda.factorization.verdict import Verdict
from panda.files.budget import load_json
from panda.files.ownership import check_folder as check_ownership
from panda.files.ownership import replacing
from panda.generators.contract import Layer

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


def write_factors(
    folder: Path,
    generator: str,
    layer: Layer,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> None:
    """Write factors into a new folder, or in place of earlier factors; see `Factors.save`."""
    validate(folder, layer, tensors)
    facts = {"format": FORMAT, "generator": generator, "layer": asdict(layer), **config}
    with replacing(folder, "factors", _has_factors) as work:
        save_tensors(work / WEIGHTS, tensors, {})
        (work / "config.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_factors(folder: Path) -> tuple[str, Layer, dict[str, Any], dict[str, Tensor]]:
    """Return generator, layer, config and tensors of a folder of factors; see `Factors.load`."""
    try:
        config = load_json(folder / "config.json")
        layer = _layer(config.pop("layer"))
        generator = config.pop("generator")
        version = config.pop("format")
        if type(generator) is not str:
            raise TypeError(f"generator is {generator!r}, expected a name")
        _check_config(config)
    except (FileNotFoundError, NotADirectoryError, KeyError):  # a KeyError: other results of ours
        out = "FACTORS" if folder.exists() else folder
        raise PandaError(
            f"{folder} holds no factors; make them with 'panda fit GENERATOR LAYER --out {out}'"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise PandaError(f"{folder / 'config.json'} is not that of factors: {error}") from error
    if type(version) is not int or version != FORMAT:
        raise PandaError(f"{folder} has factors of format {version!r}, expected {FORMAT}")
    tensors = load_tensors(folder / WEIGHTS, "fit the factors again")
    if tensors.keys() != set(TENSORS):
        raise PandaError(
            f"{folder / WEIGHTS} has tensors {', '.join(sorted(tensors))}, expected"
            f" {', '.join(sorted(TENSORS))}; fit the factors again"
        )
    validate(folder, layer, tensors)
    return generator, layer, config, tensors


def _check_config(config: Mapping[str, Any]) -> None:
    """Raise TypeError unless what is read later has its type."""
    trace, seeds = config.get("trace", []), config.get("seeds", "")
    digest = config.get("weights_sha256", "")
    if type(digest) is not str:
        raise TypeError(f"weights_sha256 is {digest!r:.60}, expected the digest of weights")
    if not isinstance(trace, list) or any(type(loss) is not float for loss in trace):
        raise TypeError(f"trace is {trace!r:.60}, expected a list of losses")
    Verdict.of_facts(config.get("background"))
    size = config.get("size", [1, 1])
    sides = size if isinstance(size, list) else []
    if len(sides) != 2 or not all(type(side) is int and 0 < side < 2**24 for side in sides):
        raise TypeError(f"size is {size!r:.60}, expected the height and width of images")
    listed = isinstance(seeds, list) and all(type(seed) is int for seed in seeds)
    if not (listed or isinstance(seeds, str)):
        raise TypeError(f"seeds are {seeds!r:.60}, expected such as '0-999' or a list")


def check_folder(folder: Path) -> None:
    """Raise `PandaError` where writing would replace anything but earlier factors."""
    check_ownership(folder, "factors", _has_factors)


def validate(where: Path, layer: Layer, tensors: Mapping[str, Tensor]) -> None:
    """Raise `PandaError` for tensors of the wrong type or shape, and for values that cannot be."""
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or tensor.ndim != TENSORS[name]:
            raise PandaError(
                f"{where}: {name} is {tensor.dtype} with {tensor.ndim} dimensions, expected"
                f" torch.float32 with {TENSORS[name]}"
            )
    channels = layer.channels
    rank_c, rank_s = tensors["appearances"].shape[-1], tensors["parts"].shape[-1]
    axes = tensors["own_spread"].shape[-1]
    expected = {
        "appearances": (channels, rank_c),
        "parts": (layer.positions, rank_s),
        "spread": (rank_c, rank_s),
        "own": (rank_s, axes, channels),
        "own_spread": (rank_s, axes),
        "background": (channels,),
        "background_detector": (channels,),
        "mean": (channels,),
    }
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != expected[name]:
            raise PandaError(
                f"{where}: {name} is {tuple(tensor.shape)}, layer {layer.name} needs"
                f" {expected[name]}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise PandaError(f"{where}: {name} holds NaN or infinite values")
    parts = tensors["parts"]
    if bool((parts < 0).any()) or bool((parts.amax(0) <= 0).any()):
        raise PandaError(f"{where}: parts must be non-negative and none may be all zero")


def _has_factors(folder: Path) -> bool:
    """Return whether a folder has two files of factors alone, as before folders had manifests."""
    try:
        if {path.name for path in folder.iterdir()} != {"config.json", WEIGHTS}:
            return False
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return set(config) >= {"format", "generator", "layer"}
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _layer(facts: Mapping[str, Any]) -> Layer:
    """Return a layer from JSON; raise TypeError where a field is wrong."""
    layer = Layer(**facts)
    sizes = (layer.channels, layer.height, layer.width)
    whole = all(type(size) is int for size in (*sizes, layer.margin))
    margins = layer.margin < 0 or 2 * layer.margin >= min(sizes[1:])
    if type(layer.name) is not str or not whole or min(sizes) < 1 or margins:
        raise TypeError(f"{layer} is no layer")
    return layer

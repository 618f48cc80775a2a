"""What is found in a generator, in the cache: found when it is first asked for, then loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.directions.method import Method
from panda.errors import PandaError
from panda.files.cache import home
from panda.files.locks import hold_folder
from panda.files.ownership import MANIFEST, check_folder, replacing
from panda.generators.contract import Generator
from panda.generators.registry import refer
from panda.notes import note

FORMAT = 1
"""Counts up when what is found with the same settings changes, so that it is fitted anew."""

TENSORS, SETTINGS = "directions.safetensors", "config.json"


def kept(
    method: Method, generator: Generator, fit: Callable[[], Mapping[str, Tensor]]
) -> Mapping[str, Tensor]:
    """Return what a method finds in a generator: from the cache, or fitted now; see `keep`."""
    return keep(method.name, asdict(method), generator, fit)


def keep(
    name: str,
    settings: Mapping[str, Any],
    generator: Generator,
    fit: Callable[[], Mapping[str, Tensor]],
    *,
    kind: str = "directions",
) -> Mapping[str, Tensor]:
    """Return what is found in a generator: from the cache, or fitted now.

    `FORMAT`, the generator's digest, the options and the label that it was loaded with, the name
    and the settings are the key. A generator without a digest is fitted each time. Of several
    threads or processes that ask for the same, one fits and the others wait.

    Args:
        name: What is fitted, such as the name of a method.
        settings: All that it depends on but for the generator, as JSON takes it.
        generator: The generator.
        fit: Finds the tensors, by name.
        kind: What they are: the folder of the cache. A fit of directions is told.

    Raises:
        PandaError: As ``fit`` does, and where the cache cannot be written.
    """
    said = f"fitting {name} to {generator.name}" if kind == "directions" else ""
    if not generator.digest:
        if said:
            note(said)
        return fit()
    facts = {
        "format": FORMAT,
        "method": name,
        "weights_sha256": generator.digest,
        "settings": dict(settings),
    }
    if loaded_with := generator.name[len(refer(generator.name).name) :]:
        facts["loaded_with"] = loaded_with  # other steps or classes have other directions
    text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    file = f"{name.replace(' ', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    folder = home() / kind / generator.digest[:16] / file
    if (loaded := _load(folder, text)) is not None:
        return loaded
    with hold_folder(folder.parent, f".{file}.lock", wait=True):
        if (loaded := _load(folder, text)) is not None:
            return loaded  # which another thread or process has fitted meanwhile
        if said:
            note(f"{said}, once; what it finds is kept in the cache")
        _clear(folder, kind)
        tensors = {key: _to_keep(tensor) for key, tensor in fit().items()}
        with replacing(folder, kind) as work:
            save_tensors(work / TENSORS, tensors, {})
            (work / SETTINGS).write_text(text, encoding="utf-8")
    return tensors


def _clear(folder: Path, kind: str) -> None:
    """Remove what is damaged in the cache, which `replacing` would not replace."""
    try:
        for part in (TENSORS, SETTINGS, MANIFEST):
            (folder / part).unlink(missing_ok=True)
        check_folder(folder, kind)
    except (OSError, PandaError) as error:
        raise PandaError(
            f"{folder} is in the way of what is kept in the cache; delete it"
        ) from error


def _to_keep(tensor: Tensor) -> Tensor:
    """Return a copy in memory; of floats in float32, while whole numbers stay what they are."""
    tensor = tensor.detach().cpu()
    return tensor.float().clone() if tensor.is_floating_point() else tensor.clone()


def _load(folder: Path, settings: str) -> Mapping[str, Tensor] | None:
    """Return tensors from the cache; None where it has none that are whole and of the settings."""
    try:
        if (folder / SETTINGS).read_text(encoding="utf-8") != settings:
            return None
        return load_tensors(folder / TENSORS, "delete it")
    except (OSError, UnicodeDecodeError, PandaError):
        return None

"""Folders that diffusers' ``save_pretrained`` writes: whole pipelines, or one of their models.

A pipeline is a model_index.json that names its parts, with a folder for each: a config and
weights, the config of a scheduler, or the files of a tokenizer. Nothing of a folder is run: classes
are names, which a plugin compares with those that it knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.digest import digest_of
from panda.checkpoints.plain import from_json
from panda.errors import PandaError
from panda.files.budget import Budget, File, text_bytes

INDEX = "model_index.json"

CONFIGS = "configs"
"""Key of the parts' configs in a checkpoint's config, and the part's name below it."""

FILES = "files"
"""Key of a tokenizer's files in its config, as text by name."""

NOT_READ = {"safety_checker", "feature_extractor", "image_encoder"}
"""Parts that judge images or read some: nothing that makes an image of a prompt."""

_WEIGHTS = "diffusion_pytorch_model", "model", "pytorch_model"
_TEXTS = (
    *("tokenizer_config.json", "special_tokens_map.json", "tokenizer.json", "vocab.json"),
    *("merges.txt", "added_tokens.json"),
)
_PART, _SHARD = re.compile(r"[a-z][a-z0-9_]{0,63}"), re.compile(r"[\w-][\w.-]{0,200}")

ReadFile = Callable[[Path, Budget], Checkpoint]


def is_diffusers(folder: Path) -> bool:
    """Return whether diffusers wrote a folder: a pipeline, or a model with weights of its name."""
    if (folder / INDEX).is_file():
        return True
    return (folder / "config.json").is_file() and any(folder.glob(f"{_WEIGHTS[0]}*"))


def read_diffusers(folder: Path, read_file: ReadFile, budget: Budget) -> Checkpoint:
    """Read the folder of a pipeline or of one model.

    Args:
        folder: The folder.
        read_file: Reads a file with weights.
        budget: What reading all files may cost.

    Returns:
        Tensors, for a pipeline with the names of their parts before them (``unet.conv_in.weight``);
        its config is model_index.json with the parts' configs as ``configs``. That of a model is
        its config.json. The digest is of all of these.

    Raises:
        PandaError: A file is missing or damaged.
    """
    if not (folder / INDEX).is_file():
        config = _read_json(folder / "config.json", budget)
        tensors = _read_weights(folder, read_file, budget)
    else:
        config, tensors = _read_json(folder / INDEX, budget), {}
        parts = [name for name, kind in config.items() if _is_part(name, kind)]
        config[CONFIGS] = {name: _read_config(folder / name, budget) for name in parts}
        for name in parts:
            if (folder / name / "config.json").is_file():
                weights = _read_weights(folder / name, read_file, budget)
                tensors |= {f"{name}.{tensor}": value for tensor, value in weights.items()}
    digest = digest_of(tensors, {"config": config})
    return Checkpoint("diffusers", tensors, config, digest=digest, budget=budget)


def _is_part(name: str, kind: Any) -> bool:
    """Return whether an entry of model_index.json is a part: ``"unet": ["diffusers", ...]``."""
    named = isinstance(kind, list) and len(kind) == 2 and all(isinstance(k, str) for k in kind)
    if named and name not in NOT_READ and not _PART.fullmatch(name):
        raise PandaError(f"{INDEX} names a part {name!r:.80}, expected a plain name such as unet")
    return named and name not in NOT_READ


def _read_config(folder: Path, budget: Budget) -> dict[str, Any]:
    """Read the config of a part: of a model, of a scheduler, or the files of a tokenizer."""
    for name in ("config.json", "scheduler_config.json"):
        if (folder / name).is_file():
            return _read_json(folder / name, budget)
    files = {}
    for name in _TEXTS:
        if (folder / name).is_file():
            with File(folder / name, budget) as file:
                raw = file.text()
            budget.spend(bytes=text_bytes(raw))
            files[name] = raw.decode(errors="replace")
    if not files:
        raise PandaError(f"{INDEX} names {folder.name}, but that folder has nothing to read")
    return {FILES: files}


def _read_weights(folder: Path, read_file: ReadFile, budget: Budget) -> dict[str, Tensor]:
    """Read a model's weights: safetensors, in one file or several, or else torch's."""
    for path in _weights_of(folder, budget):
        if all(file.is_file() for file in path):
            tensors: dict[str, Tensor] = {}
            for file in path:
                try:
                    tensors |= read_file(file, budget).tensors
                except PandaError as error:
                    raise PandaError(f"{file.relative_to(folder.parent)}: {error}") from error
            return tensors
    raise PandaError(
        f"folder {folder.name} has a config.json, but no weights of diffusers or transformers, such"
        f" as {_WEIGHTS[0]}.safetensors"
    )


def _weights_of(folder: Path, budget: Budget) -> Iterator[list[Path]]:
    """Yield what may be the files with the weights of a model, the best first."""
    for kind in ("safetensors", "bin"):
        for name in _WEIGHTS:
            yield [folder / f"{name}.{kind}"]
            index = folder / f"{name}.{kind}.index.json"
            if index.is_file():
                places = _read_json(index, budget).get("weight_map")
                files = set(places.values()) if isinstance(places, dict) else set()
                # Nothing beside or above the folder: these are names, not paths.
                if not files or not all(_SHARD.fullmatch(str(file)) for file in files):
                    raise PandaError(f"{index.name} does not say in which files weights are")
                yield [folder / str(file) for file in sorted(files)]
            yield [folder / f"{name}.fp16.{kind}"]


def _read_json(path: Path, budget: Budget) -> dict[str, Any]:
    try:
        with File(path, budget) as file:
            return from_json(file.text(), budget)
    except PandaError as error:
        raise PandaError(f"{path.relative_to(path.parent.parent)}: {error}") from error

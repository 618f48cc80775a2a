"""Safetensors in and out, with sentences for errors and no half-written files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.plain import from_json
from panda.checkpoints.seal import seal, unsealed
from panda.errors import PandaError
from panda.files.writing import no_pipe, staging

CONFIG = "config"
"""The key of the metadata under which a checkpoint's config is kept, as JSON."""


def save_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors under a temporary name and rename; raises `PandaError` where it cannot."""
    with staging(path) as work:
        plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        try:
            content = save(plain, dict(metadata))
        except UnicodeEncodeError as error:
            raise PandaError(
                f"{path} cannot hold the name {error.object!r}: {error.reason}"
            ) from error
        work.write_bytes(seal(content))


def load_tensors(
    path: Path, remedy: str = "delete it to have it made again"
) -> dict[str, torch.Tensor]:
    """Read every tensor of a safetensors file; raises `PandaError` where it is damaged."""
    try:
        return dict(read_safetensors(path).tensors)
    except (PandaError, OSError) as error:
        raise PandaError(f"{path} is not a whole safetensors file ({error}); {remedy}") from error


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint as safetensors; `read_checkpoint` gives its tensors and config again.

    Raises `PandaError` where the file cannot be written.
    """
    save_tensors(path, checkpoint.tensors, {CONFIG: json.dumps(dict(checkpoint.config))})


def read_safetensors(path: Path) -> Checkpoint:
    """Return the tensors and the config of a safetensors file, which may have none.

    The file is read, not mapped: it may change later, and nothing here changes with it. Raises
    `PandaError` where it is damaged.
    """
    content = no_pipe(path).read_bytes()
    metadata = unsealed(content)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise PandaError(f"a damaged or truncated safetensors file ({error})") from error
    return Checkpoint("safetensors", tensors, from_json(metadata.get(CONFIG, "{}")))

"""Reads and writes safetensors, with sentences for errors and no half-written files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.plain import from_json
from panda.checkpoints.seal import KEY as SEAL
from panda.checkpoints.seal import read_sealed, seal
from panda.errors import PandaError
from panda.files.budget import Budget
from panda.files.writing import staging

CONFIG = "config"
"""Key of a checkpoint's config, as JSON, in the metadata."""

OPTIONS = "options"
"""Key of what the user has set, likewise."""

DIGEST = "weights_sha256"
"""Key of the digest of the weights (`panda.checkpoints.digest`)."""


def save_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors with a checksum under a temporary name, and rename the file.

    Raises:
        PandaError: The file cannot be written, or a name is not valid Unicode.
    """
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
    path: str | Path, remedy: str = "delete it to have it made again"
) -> dict[str, torch.Tensor]:
    """Return all tensors of a safetensors file.

    Raises:
        PandaError: The file is damaged or cannot be read; the sentence ends with ``remedy``.
    """
    try:
        return dict(read_safetensors(path).tensors)
    except (PandaError, OSError) as error:
        raise PandaError(f"{path} is not a whole safetensors file ({error}); {remedy}") from error


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write the tensors, the config and the options of a checkpoint as safetensors.

    Raises:
        PandaError: The file cannot be written.
    """
    metadata = {CONFIG: json.dumps(dict(checkpoint.config))}
    if checkpoint.options:
        metadata[OPTIONS] = json.dumps(dict(checkpoint.options))
    if checkpoint.digest:
        metadata[DIGEST] = checkpoint.digest
    save_tensors(path, checkpoint.tensors, metadata)


def read_safetensors(path: str | Path, budget: Budget | None = None) -> Checkpoint:
    """Return the tensors of a safetensors file, and its config and options if it has them.

    The file is read, not mapped: the tensors stay the same when the file changes later.

    Args:
        path: The file.
        budget: What reading it may cost; by default, what a file of its size may.

    Raises:
        PandaError: The file is damaged, or costs more than the budget has left.
    """
    budget = budget or Budget()
    content, metadata = read_sealed(Path(path), budget)
    budget.spend(bytes=len(content))
    np.empty(len(content), np.uint8)  # a MemoryError where `load`, which copies, would panic
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise PandaError(f"a damaged or truncated safetensors file ({error})") from error
    config, options = (from_json(metadata.get(key, "{}"), budget) for key in (CONFIG, OPTIONS))
    # Without a seal, the tensors may have changed since the digest was written.
    digest = metadata.get(DIGEST, "") if SEAL in metadata else ""
    return Checkpoint("safetensors", tensors, config, options, digest, budget)

"""Safetensors in and out, with sentences for errors and no half-written files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from panda.errors import PandaError
from panda.zoo.cache import staging


def save_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors under a temporary name and rename; raises `PandaError` where it cannot."""
    with staging(path) as work:
        plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
        work.write_bytes(save(plain, dict(metadata)))


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read every tensor of a safetensors file; raises `PandaError` where it is damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise PandaError(
            f"{path} is not a whole safetensors file ({error}); delete it to have it made again"
        ) from error

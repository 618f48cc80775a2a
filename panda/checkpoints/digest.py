"""A digest of weights, by which results know the generator that they were made with again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint


def digest_of(tensors: Mapping[str, Tensor], options: Mapping[str, Any] | None = None) -> str:
    """Return the sha256 of tensors: of their names, types, shapes and numbers, whatever the file.

    Floating-point numbers of float64 count as float32, so that both make the same generator known.

    Args:
        tensors: The weights by name, on any device.
        options: What else the user says of the network.
    """
    digest = hashlib.sha256(json.dumps(dict(options), sort_keys=True).encode() if options else b"")
    for name, tensor in sorted(tensors.items()):
        plain = tensor.detach().cpu()
        plain = plain.float() if plain.dtype == torch.float64 else plain
        digest.update(f"{name}\n{plain.dtype} {list(plain.shape)}\n".encode(errors="replace"))
        digest.update(plain.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def weights_digest(checkpoint: Checkpoint) -> str:
    """Return the digest of a checkpoint: the one in its file, or else computed."""
    return checkpoint.digest or digest_of(checkpoint.tensors, checkpoint.options)


def with_digest(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with its digest, which `save_checkpoint` writes for later readers."""
    return replace(checkpoint, digest=weights_digest(checkpoint))

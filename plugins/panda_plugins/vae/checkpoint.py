"""Build the VAE from its file: its sizes follow from the tensors."""

from __future__ import annotations

import torch

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError

from ..common.options import read_options
from ..common.residual import stage_sizes
from .backend import VAE
from .network import Network


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are of stages whose blocks a mapped z modulates."""
    return {"mapping.0.weight", "stages.output.weight"} <= checkpoint.tensors.keys()


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> VAE:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: Tensors are missing, unexpected or misshapen, or an option is given.
    """
    tensors = checkpoint.tensors
    read_options("VAE", checkpoint, ())
    condition, z_dim = shape_of(tensors, "mapping.0.weight", dims=2)
    channels, blocks = stage_sizes(tensors, "stages")
    try:
        with torch.device("meta"):
            network = Network(z_dim, condition, channels, blocks)
    except ValueError as error:  # group norm takes whole groups of channels
        raise PandaError(f"no VAE has such tensors: {error}") from error
    load_strictly(network, tensors, "VAE")
    return VAE(network, device, dtype)

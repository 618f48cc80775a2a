"""Build the diffusion model from its file: its sizes follow from the tensors."""

from __future__ import annotations

import torch

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError

from ..common.options import count, read_options
from ..common.residual import stage_sizes
from .backend import LatentFlow
from .network import Network

OPTIONS = (count("steps", 12, low=1, sets="steps"),)
"""What no tensor shows."""

SHOWN = 4
"""The number of steps that have layers of their own."""


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are of a UNet beside a decoder of its latents."""
    return {"unet.position", "decoder.deviation"} & checkpoint.tensors.keys() != set()


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> LatentFlow:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: Tensors are missing, unexpected or misshapen, or an option is not valid.
    """
    tensors = checkpoint.tensors
    coarse, fine, *_ = shape_of(tensors, "unet.shrink.weight", dims=4)
    condition, _ = shape_of(tensors, "unet.time.0.weight", dims=2)
    latents = shape_of(tensors, "decoder.input.weight", dims=4)[1]
    side = shape_of(tensors, "unet.position", dims=4)[2]
    channels, blocks = stage_sizes(tensors, "decoder.stages")
    steps = read_options("latent flow", checkpoint, OPTIONS)["steps"]
    try:
        with torch.device("meta"):
            network = Network(latents, side, (fine, coarse), condition, channels, blocks)
    except ValueError as error:  # group norm takes whole groups of channels
        raise PandaError(f"no latent flow has such tensors: {error}") from error
    load_strictly(network, tensors, "latent flow")
    shown = sorted({-(-steps * part // SHOWN) - 1 for part in range(1, SHOWN + 1)})
    return LatentFlow(network, steps, shown, device, dtype)

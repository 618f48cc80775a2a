"""Build a ProGAN from tensors in genforce's, TensorFlow's or TensorFlow Hub's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError

from .backend import ProGAN
from .network import Network
from .tensorflow import HUB, from_tensorflow, from_tensorflow_hub

_ONLY = {
    "label_size": 0,
    "normalize_latents": True,
    "use_wscale": True,
    "use_pixelnorm": True,
    "use_leakyrelu": True,
    "pixelnorm_epsilon": 1e-8,
    "tanh_at_end": False,
    "final_tanh": False,
}
"""Arguments of either constructor that change the network, with the value of all released files."""


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are a ProGAN's, by their names and numbers of dimensions."""
    ranks = {name: tensor.dim() for name, tensor in checkpoint.tensors.items()}
    genforce = {"layer0.weight": 4, "layer1.weight": 4, "output0.weight": 4}
    tensorflow = {"4x4/Dense/weight": 2, "4x4/Conv/weight": 4, "ToRGB_lod0/weight": 4}
    hub = {f"{HUB}/Conv2D/merged_input": 4, "module/g_model/res_0/conv0/bias": 1}
    return any(names.items() <= ranks.items() for names in (genforce, tensorflow, hub))


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> ProGAN:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: Tensors are missing, unexpected or misshapen, or an argument in the file is not
            supported.
    """
    for name, only in _ONLY.items():
        given = checkpoint.config.get(name)
        if given is not None and given != only:
            raise PandaError(f"ProGAN with {name} = {given!r} is not supported, only {only!r}")
    tensors, fused = _in_genforce_names(checkpoint)
    try:
        network = build(tensors, fused)
        load_strictly(network, tensors, "ProGAN")
    except PandaError as error:
        if tensors is checkpoint.tensors:
            raise
        raise PandaError(f"{error}, in genforce's names for TensorFlow's") from error
    grown = len(network.channels) - 1
    if not 0 <= network.lod <= grown:
        raise PandaError(
            f"the checkpoint has lod {float(network.lod):g}, expected 0 (all grown) to {grown}"
        )
    return ProGAN(network, device, dtype)


def _in_genforce_names(checkpoint: Checkpoint) -> tuple[Mapping[str, Tensor], bool | None]:
    """Return the tensors in genforce's names, and whether upsampling is fused, if that is known."""
    if "4x4/Dense/weight" in checkpoint.tensors:
        fused = "8x8/Conv0_up/weight" in checkpoint.tensors
        return from_tensorflow(checkpoint.tensors), fused
    if f"{HUB}/Conv2D/merged_input" in checkpoint.tensors:
        return from_tensorflow_hub(checkpoint.tensors), False
    return checkpoint.tensors, checkpoint.config.get("fused_scale")


def build(tensors: Mapping[str, Tensor], fused: bool | None = None) -> Network:
    """Build a network on the meta device with the sizes that names and shapes show.

    Args:
        tensors: The tensors in genforce's names.
        fused: Whether upsampling layers have fused weights; None infers it from the shapes.

    Raises:
        PandaError: A tensor that decides a size is missing or misshapen.
    """
    matches = (re.match(r"layer(\d{1,2})\.", name) for name in tensors)
    last = max((int(match[1]) for match in matches if match), default=1)
    channels = [shape_of(tensors, f"layer{k}.bias", dims=1)[0] for k in range(1, last + 1, 2)]
    if fused is None:  # visible only where a layer changes the number of channels
        fused = any(
            before != after
            and shape_of(tensors, f"layer{2 * b}.weight", dims=4)[:2] == (before, after)
            for b, (before, after) in enumerate(pairwise(channels), start=1)
        )
    latent = shape_of(tensors, "layer0.weight", dims=4)[1]
    with torch.device("meta"):
        return Network(latent, channels, fused)

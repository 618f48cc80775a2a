"""Build a ProGAN from tensors in genforce's, TensorFlow's or TensorFlow Hub's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError

from ..common.loading import colors
from ..common.options import count, one_of, read_options, said
from .backend import ProGAN
from .network import Network
from .tensorflow import HUB, from_tensorflow, from_tensorflow_hub

GENFORCE = (
    one_of("fused_scale", False, True, sets="fused"),
    one_of("final_tanh", False, True, sets="tanh"),
    one_of("use_wscale", True),
)
"""Options of genforce's code beside the size of labels; most networks show the first."""

TENSORFLOW = (
    one_of("normalize_latents", True),
    one_of("use_wscale", True),
    one_of("use_pixelnorm", True),
    one_of("use_leakyrelu", True),
    one_of("pixelnorm_epsilon", 1e-8),
    one_of("tanh_at_end", False),
)
"""Options of the official code, likewise."""


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
    tensors, fused = _in_genforce_names(checkpoint)
    try:
        network = build(checkpoint, tensors, fused)
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
    """Return the tensors in genforce's names, and whether TensorFlow's names show fused layers."""
    if "4x4/Dense/weight" in checkpoint.tensors:
        fused = "8x8/Conv0_up/weight" in checkpoint.tensors
        return from_tensorflow(checkpoint.tensors), fused
    if f"{HUB}/Conv2D/merged_input" in checkpoint.tensors:
        return from_tensorflow_hub(checkpoint.tensors), False
    return checkpoint.tensors, None


def build(
    checkpoint: Checkpoint, tensors: Mapping[str, Tensor], fused: bool | None = None
) -> Network:
    """Build a network on the meta device with the sizes that names and shapes show.

    Args:
        checkpoint: The content of the file, for what they do not show.
        tensors: The tensors in genforce's names.
        fused: Whether upsampling layers have fused weights; None infers it from the shapes.

    Raises:
        PandaError: A tensor that decides a size is missing or misshapen, or an option is not valid.
    """
    matches = (re.match(r"layer(\d{1,2})\.", name) for name in tensors)
    last = max((int(match[1]) for match in matches if match), default=1)
    channels = [shape_of(tensors, f"layer{k}.bias", dims=1)[0] for k in range(1, last + 1, 2)]
    inputs = shape_of(tensors, "layer0.weight", dims=4)[1]
    if fused is None:
        fused = _shown_fused(tensors, channels)
    options = _options(checkpoint, inputs, fused)
    if options["classes"] >= inputs:
        raise PandaError(
            f"{said(checkpoint, 'label_size', options['classes'])}, but z and label are {inputs}"
            " numbers"
        )
    outputs = [f"output{b}" for b in range(len(channels))]
    image_channels = colors(
        "ProGAN",
        (
            tensors[f"{name}.{part}"].shape[0]
            for part, dims in (("weight", 4), ("bias", 1))
            for name in outputs
            if f"{name}.{part}" in tensors and tensors[f"{name}.{part}"].dim() == dims
        ),
    )
    with torch.device("meta"):
        return Network(
            inputs - options["classes"], channels, image_channels=image_channels, **options
        )


def _shown_fused(tensors: Mapping[str, Tensor], channels: Sequence[int]) -> bool | None:
    """Return whether weights are fused; only layers that change the number of channels show it."""
    shown = [
        shape_of(tensors, f"layer{2 * b}.weight", dims=4)[:2] == (before, after)
        for b, (before, after) in enumerate(pairwise(channels), start=1)
        if before != after
    ]
    return any(shown) if shown else None


def _options(checkpoint: Checkpoint, inputs: int, fused: bool | None) -> dict[str, Any]:
    """Return the arguments of `Network` that sizes do not show.

    Args:
        checkpoint: The content of the file.
        inputs: How many numbers the first layer reads: z and the label.
        fused: Whether upsampling layers have fused weights; None where the tensors do not show it.
    """
    if f"{HUB}/Conv2D/merged_input" in checkpoint.tensors:
        read_options("ProGAN", checkpoint, ())  # the file is a graph, which shows everything
        return {"classes": 0, "fused": fused}
    # z has a power of two of numbers in all released files; numbers beyond are taken for the label.
    beyond = 0 if checkpoint.config else inputs - (1 << inputs.bit_length() - 1)
    label = count("label_size", beyond, sets="classes")
    if "4x4/Dense/weight" in checkpoint.tensors:
        options = read_options("ProGAN", checkpoint, (label, *TENSORFLOW))
        return {**options, "fused": fused, "joint_norm": True}
    shown = {} if fused is None else {"fused_scale": fused}
    return read_options("ProGAN", checkpoint, (label, *GENFORCE), shown=shown)

"""Build a BigGAN from the tensors of Hugging Face's or Andrew Brock's files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError

from ..common.options import Option, count, number, one_of, read_options
from . import brock, huggingface
from .backend import BigGAN, BrockBigGAN, HuggingFaceBigGAN

_STAGE = re.compile(r"generator\.layers\.(\d{1,2})\.")
_BLOCK = re.compile(r"blocks\.(\d{1,2})\.(\d)\.")
_LAYERS = "[[upsamples, in, out], ...]"

EPS = Option(
    "eps",
    1e-4,
    lambda x: isinstance(x, float) and 0 < x < 1,
    "a small number such as 0.0001",
    "eps",
)
"""The option of Hugging Face's code beside which layers upsample."""

BROCK = (
    number("BN_eps", 1e-5, sets="eps"),
    one_of("G_nl", "relu", "inplace_relu", "ir"),
    one_of("norm_style", "bn"),
)
"""Options of Andrew Brock's code that no tensor shows; these three activations are one."""

DEPTH = count("G_depth", 2, sets="depth", low=1)
"""Blocks of a stage of a BigGAN-deep, of which only the last changes size and channels."""


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are a BigGAN's of either code base, by their names."""
    names = checkpoint.tensors.keys()
    return {"embeddings.weight", "generator.gen_z.weight_orig"} <= names or {
        "shared.weight",
        "linear.weight",
        "output_layer.0.gain",
    } <= names


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> BigGAN:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: Tensors are missing, unexpected or misshapen, or config.json does not agree
            with them.
    """
    network = build(checkpoint)
    if isinstance(network, huggingface.BigGANDeep):
        load_strictly(network, checkpoint.tensors, "BigGAN-deep of Hugging Face")
        return HuggingFaceBigGAN(network, device, dtype)
    load_strictly(network, checkpoint.tensors, "BigGAN of Andrew Brock")
    return BrockBigGAN(network, device, dtype)


def build(checkpoint: Checkpoint) -> huggingface.BigGANDeep | brock.BigGAN:
    """Build a network on the meta device from shapes and, if present, config.json."""
    if "embeddings.weight" in checkpoint.tensors:
        deep = huggingface_config(checkpoint)
        with torch.device("meta"):
            return huggingface.BigGANDeep(deep)
    config = brock_config(checkpoint)
    with torch.device("meta"):
        return brock.BigGAN(config)


def huggingface_config(checkpoint: Checkpoint) -> huggingface.Config:
    """Infer the sizes of a Hugging Face network from its tensors.

    config.json says epsilon and which blocks upsample. Without it every second block upsamples, as
    in all released files.

    Raises:
        PandaError: Tensors and config.json do not describe one network.
    """
    tensors = checkpoint.tensors
    stages = sorted({int(m[1]) for name in tensors if (m := _STAGE.match(name))})
    attention = [k for k in stages if f"generator.layers.{k}.gamma" in tensors]
    if len(attention) != 1 or stages != list(range(len(stages))):
        raise PandaError(
            f"a BigGAN-deep with layers {stages} and self-attention {attention}, expected all from"
            " 0 on and one self-attention (a tensor 'gamma')"
        )
    sizes = []
    for k in stages:
        if k != attention[0]:
            name = f"generator.layers.{k}.conv_"
            channels_in = shape_of(tensors, f"{name}0.weight_orig", dims=4)[1]
            sizes.append((channels_in, shape_of(tensors, f"{name}3.weight_orig", dims=4)[0]))
    layers = Option(
        "layers", [[k % 2 == 1] for k in range(len(sizes))], _is_layers, _LAYERS, "layers"
    )
    options = read_options("BigGAN-deep", checkpoint, (EPS, layers))
    ups = [row[0] for row in options["layers"]]
    if len(ups) != len(sizes):
        raise PandaError(
            f"'layers' has {len(ups)} entries, but the tensors are those of {len(sizes)} layers"
        )
    resolution = 4 << sum(ups)
    if (said := checkpoint.config.get("output_dim", resolution)) != resolution:
        raise PandaError(f"the file says output_dim={said!r:.80}, but its layers make {resolution}")
    embed_dim, classes = shape_of(tensors, "embeddings.weight", dims=2)
    return huggingface.Config(
        z_dim=shape_of(tensors, "generator.gen_z.weight_orig", dims=2)[1] - embed_dim,
        embed_dim=embed_dim,
        classes=classes,
        blocks=tuple((up, *size) for up, size in zip(ups, sizes, strict=True)),
        attention=attention[0],
        eps=options["eps"],
        n_stats=shape_of(tensors, "generator.bn.running_means", dims=2)[0],
    )


def _is_layers(value: Any) -> bool:
    """Return whether a value is a list of lists that begin with whether a block upsamples."""
    return isinstance(value, list) and all(
        isinstance(row, list) and row and isinstance(row[0], bool) for row in value
    )


def brock_config(checkpoint: Checkpoint) -> brock.Config:
    """Infer the sizes of a network of Andrew Brock's from names and shapes; see also `BROCK`.

    Raises:
        PandaError: They do not describe one network, or an option is not valid.
    """
    tensors = checkpoint.tensors
    is_deep = "blocks.0.0.conv4.weight" in tensors
    name = "BigGAN-deep" if is_deep else "BigGAN"
    options = read_options(name, checkpoint, (*BROCK, DEPTH) if is_deep else BROCK)
    depth = options.get("depth", 1)
    matches = [match for name in tensors if (match := _BLOCK.match(name))]
    count = 1 + max((int(match[1]) for match in matches), default=0)
    widths = [_widths(tensors, i, is_deep) for i in range(count)]
    attention = {int(match[1]) for match in matches if int(match[2])}
    ends = range(depth - 1, count, depth)
    changing = {i for i, (before, after) in enumerate(widths) if before != after} | attention
    if count % depth or not changing.issubset(ends):
        raise PandaError(
            f"a {name} of {count} blocks, of which {sorted(changing)} change the number of channels"
            f" or precede self-attention; expected stages of G_depth={depth} blocks, of which only"
            " the last does"
        )
    classes, shared_dim = shape_of(tensors, "shared.weight", dims=2)
    input_dim = shape_of(tensors, "linear.weight", dims=2)[1]
    condition_dim = shape_of(tensors, "blocks.0.0.bn1.gain.weight", dims=2)[1]
    hierarchical = condition_dim != shared_dim
    z_dim = input_dim * (count + 1) if hierarchical else input_dim
    return brock.Config(
        z_dim=input_dim - shared_dim if is_deep else z_dim,
        shared_dim=shared_dim,
        classes=classes,
        stages=tuple(widths[i] for i in ends),
        depth=depth if is_deep else 0,
        attention=frozenset(i // depth for i in attention),
        hierarchical=hierarchical,
        eps=options["eps"],
    )


def _widths(tensors: Mapping[str, Tensor], index: int, is_deep: bool) -> tuple[int, int]:
    """Return the channels into and out of a block."""
    first, last = (f"blocks.{index}.0.conv{k}.weight" for k in (1, 4 if is_deep else 2))
    return shape_of(tensors, first, dims=4)[1], shape_of(tensors, last, dims=4)[0]

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

from . import brock, huggingface
from .backend import BigGAN, BrockBigGAN, HuggingFaceBigGAN

_STAGE = re.compile(r"generator\.layers\.(\d{1,2})\.")
_BLOCK = re.compile(r"blocks\.(\d{1,2})\.(\d{1,2})\.")


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
        deep = huggingface_config(checkpoint.tensors, checkpoint.config)
        with torch.device("meta"):
            return huggingface.BigGANDeep(deep)
    config = brock_config(checkpoint.tensors)
    with torch.device("meta"):
        return brock.BigGAN(config)


def huggingface_config(
    tensors: Mapping[str, Tensor], given: Mapping[str, Any]
) -> huggingface.Config:
    """Infer the sizes of a Hugging Face network.

    Args:
        tensors: The tensors, which give the sizes.
        given: The content of config.json, for epsilon and which blocks upsample. Without
            it every second block upsamples, as in all released files.

    Raises:
        PandaError: Tensors and config.json do not describe one network.
    """
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
    ups = _upsampling(given, len(sizes))
    embed_dim, classes = shape_of(tensors, "embeddings.weight", dims=2)
    return huggingface.Config(
        z_dim=shape_of(tensors, "generator.gen_z.weight_orig", dims=2)[1] - embed_dim,
        embed_dim=embed_dim,
        classes=classes,
        blocks=tuple((up, *size) for up, size in zip(ups, sizes, strict=True)),
        attention=attention[0],
        eps=_epsilon(given.get("eps", huggingface.Config.eps)),
        n_stats=shape_of(tensors, "generator.bn.running_means", dims=2)[0],
    )


def _upsampling(given: Mapping[str, Any], count: int) -> list[bool]:
    match given.get("layers", [[index % 2 == 1] for index in range(count)]):
        case list() as layers if all(isinstance(row, list) and row for row in layers):
            ups = [bool(row[0]) for row in layers]
        case layers:
            raise PandaError(
                f"config.json has layers = {layers!r}, expected [[upsamples, in, out], ...]"
            )
    if len(ups) != count:
        raise PandaError(
            f"config.json lists {len(ups)} layers, but the tensors are those of {count}"
        )
    resolution = 4 << sum(ups)
    if given.get("output_dim", resolution) != resolution:
        raise PandaError(
            f"config.json has output_dim = {given['output_dim']}, but its layers make {resolution}"
        )
    return ups


def _epsilon(value: Any) -> float:
    if not isinstance(value, float) or not 0 < value < 1:
        raise PandaError(f"config.json has eps = {value!r}, expected a small number such as 0.0001")
    return value


def brock_config(tensors: Mapping[str, Tensor]) -> brock.Config:
    """Infer the sizes of a network of Andrew Brock's from names and shapes alone.

    Raises:
        PandaError: They do not describe one network.
    """
    blocks: dict[int, int] = {}
    attention = set()
    for name in tensors:
        if match := _BLOCK.match(name):
            stage, index = int(match[1]), int(match[2])
            if f"{match[0]}gamma" in tensors:
                attention.add(stage)
            else:
                blocks[stage] = max(blocks.get(stage, 0), index + 1)
    if sorted(blocks) != list(range(len(blocks))) or len(set(blocks.values())) != 1:
        raise PandaError(
            f"a BigGAN with {blocks} blocks by stage, expected stages from 0 on with equally many"
        )
    depth = blocks[0]
    is_deep = "blocks.0.0.conv4.weight" in tensors
    last = f"{depth - 1}.conv{4 if is_deep else 2}.weight"
    classes, shared_dim = shape_of(tensors, "shared.weight", dims=2)
    input_dim = shape_of(tensors, "linear.weight", dims=2)[1]
    condition_dim = shape_of(tensors, "blocks.0.0.bn1.gain.weight", dims=2)[1]
    hierarchical = condition_dim != shared_dim
    z_dim = input_dim
    if hierarchical:
        z_dim = input_dim - shared_dim if is_deep else input_dim * (len(blocks) + 1)
    return brock.Config(
        z_dim=z_dim,
        shared_dim=shared_dim,
        classes=classes,
        stages=tuple(
            (
                shape_of(tensors, f"blocks.{i}.0.conv1.weight", dims=4)[1],
                shape_of(tensors, f"blocks.{i}.{last}", dims=4)[0],
            )
            for i in sorted(blocks)
        ),
        depth=depth if is_deep else 0,
        attention=frozenset(attention),
        hierarchical=hierarchical,
    )

"""Build a StyleGAN2 from the tensors of a file, in any of the four ways to name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError
from panda.generators.seeds import seeded_normal

from ..common.loading import (
    MAPPING_LAYERS,
    RESOLUTIONS,
    NamedTensors,
    Spelling,
    check_activation,
    number,
    plain_names,
    section,
    warn_assumed,
)
from .backend import StyleGAN2
from .names import NVIDIA, ROSINALITY, SPELLINGS
from .network import FILTER, Config, Network

ARCHITECTURE = "StyleGAN2"

GENERATOR = {"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs"}
"""The constructor's arguments that both of NVIDIA's PyTorch repositories have."""

MEAN_SAMPLES = 4096
"""How many w to average where a file contains no mean; rosinality's code uses as many."""


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are a StyleGAN2's, by their names and numbers of dimensions."""
    return spelling_of(plain_names(checkpoint.tensors)) is not None


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> StyleGAN2:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: The tensors are not those of a StyleGAN2, which the message names, or an
            argument in the file is invalid.
    """
    return StyleGAN2(read_network(checkpoint, dtype), device, dtype)


def read_network(checkpoint: Checkpoint, dtype: torch.dtype) -> Network:
    """Build the network alone, on the CPU; raises `PandaError` as `from_checkpoint` does."""
    tensors = plain_names(checkpoint.tensors)
    spelling = spelling_of(tensors)
    if spelling is None:
        raise PandaError(f"this {checkpoint.container} file does not hold a StyleGAN2 generator")
    config = config_of(NamedTensors(ARCHITECTURE, spelling, tensors), checkpoint.config)
    unsaved = _unsaved(config, tensors) if spelling is ROSINALITY else {}
    with torch.device("meta"):
        network = Network(config)
    weights = NamedTensors(ARCHITECTURE, spelling, {**tensors, **unsaved})
    weights.load(network, {"resample_filter": FILTER})
    if spelling is NVIDIA and not checkpoint.config:
        warn_assumed(ARCHITECTURE, config, "lr_multiplier", "conv_clamp", "num_fp16_res")
    network.requires_grad_(False).to(dtype)
    if "latent_avg" in unsaved:
        z = torch.from_numpy(seeded_normal([0], MEAN_SAMPLES, config.z_dim))[0]
        network.mapping.w_avg = network.mapping(z.to(dtype), None).mean(0)
    return network


def spelling_of(tensors: Mapping[str, Tensor]) -> Spelling | None:
    """Return how the tensors are named, or None where they are not a StyleGAN2 generator's."""
    return next((spelling for spelling in SPELLINGS if spelling.fits(tensors)), None)


def config_of(weights: NamedTensors, facts: Mapping[str, Any]) -> Config:
    """Infer the sizes and options of a network from its tensors.

    Args:
        weights: The tensors.
        facts: The constructor's arguments that the file gives, for what shapes do not show.

    Raises:
        PandaError: A tensor that decides a size is missing or misshapen, or an argument is
            invalid.
    """

    def widths(k: int) -> list[str]:
        parts = ("conv1.bias", "conv1.affine.bias", "torgb.affine.bias")
        return [f"synthesis.b{4 << k}.{part}" for part in parts]

    def layers(i: int) -> list[str]:
        return [f"mapping.fc{i}.bias", f"mapping.fc{i}.weight"]

    blocks = weights.count(RESOLUTIONS, widths)
    depth = weights.count(MAPPING_LAYERS, layers)
    w_dim = weights.length([f"mapping.fc{i}.bias" for i in range(depth)] + ["mapping.w_avg"])
    features, classes = weights.matrix("mapping.fc0.weight")[1], 0
    if joint_norm := "mapping.label_weight" in weights:
        classes, z_dim = weights.matrix("mapping.label_weight")
    elif "mapping.embed.weight" in weights or "mapping.embed.bias" in weights:
        classes, z_dim = weights.matrix("mapping.embed.weight")[1], max(1, features - w_dim)
    else:
        z_dim = features
    architecture = "orig"
    if any(f"synthesis.b{4 << k}.skip.weight" in weights for k in range(blocks)):
        architecture = "resnet"
    elif any(f"synthesis.b{4 << k}.torgb.weight" in weights for k in range(blocks - 1)):
        architecture = "skip"
    return Config(
        channels=tuple(weights.length(widths(k)) for k in range(blocks)),
        z_dim=z_dim,
        w_dim=w_dim,
        mapping_layers=depth,
        classes=classes,
        joint_norm=joint_norm,
        architecture=architecture,
        **_options(weights.spelling, facts),
    )


def _options(spelling: Spelling, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Read the learning-rate multiplier, the clamp and the number of half-precision resolutions.

    NVlabs/stylegan2-ada-pytorch nests the arguments of the synthesis network; NVlabs/stylegan3 has
    them beside the others and clamps by default. Other files have none, or TensorFlow's.
    """
    mapping = section(facts, "mapping_kwargs", {})
    synthesis = section(facts, "synthesis_kwargs", facts)
    clamp, half = None, 0
    if spelling is NVIDIA and "synthesis_kwargs" not in facts and facts.keys() - GENERATOR:
        clamp, half = 256, 4
    check_activation(mapping, synthesis)
    rate = number(mapping, "lr_multiplier", number(facts, "mapping_lrmul", None))
    return {
        "lr_multiplier": rate or 0.01,
        "conv_clamp": number(synthesis, "conv_clamp", clamp),
        "num_fp16_res": int(number(synthesis, "num_fp16_res", half) or 0),
    }


def _unsaved(config: Config, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return stand-ins for what early rosinality files lack: noise maps, and zeros for w's mean."""
    stand_ins = {} if "latent_avg" in saved else {"latent_avg": torch.zeros(config.w_dim)}
    for i in range(config.num_ws - 1):
        if (name := f"noises.noise_{i}") not in saved:
            pixels = 4 << (i + 1) // 2
            stand_ins[name] = torch.from_numpy(seeded_normal([i], 1, pixels, pixels))
    return stand_ins

"""From the tensors of a file to a StyleGAN2, whichever of its four spellings they bear."""

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
    tell_assumed,
)
from .backend import StyleGAN2
from .names import NVIDIA, ROSINALITY, SPELLINGS
from .network import FILTER, Config, Network

ARCHITECTURE = "StyleGAN2"

GENERATOR = {"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs"}
"""Arguments that the generators of both of NVIDIA's PyTorch repositories take."""

MEAN_SAMPLES = 4096
"""How many w make a mean where a file holds none; the number upstream uses."""


def recognizes(checkpoint: Checkpoint) -> bool:
    """Whether these are the tensors of a StyleGAN2 generator, by their names and dimensions."""
    return spelling_of(plain_names(checkpoint.tensors)) is not None


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> StyleGAN2:
    """Build the generator; raises `PandaError` that names the tensors which do not fit."""
    return StyleGAN2(read_network(checkpoint, dtype), device, dtype)


def read_network(checkpoint: Checkpoint, dtype: torch.dtype) -> Network:
    """The network of a file, on the CPU; raises `PandaError` as `from_checkpoint` does."""
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
        tell_assumed(ARCHITECTURE, config, "lr_multiplier", "conv_clamp", "num_fp16_res")
    network.requires_grad_(False).to(dtype)
    if "latent_avg" in unsaved:
        z = torch.from_numpy(seeded_normal([0], MEAN_SAMPLES, config.z_dim))[0]
        network.mapping.w_avg = network.mapping(z.to(dtype), None).mean(0)
    return network


def spelling_of(tensors: Mapping[str, Tensor]) -> Spelling | None:
    """Whose names these tensors bear; None where they are no generator of this architecture."""
    return next((spelling for spelling in SPELLINGS if spelling.fits(tensors)), None)


def config_of(weights: NamedTensors, facts: Mapping[str, Any]) -> Config:
    """Sizes from the shapes; from the constructor's arguments what no shape shows."""

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
    """Learning-rate multiplier, clamp and half precision.

    NVIDIA's StyleGAN2-ADA nests the arguments of the synthesis network, its StyleGAN3 repository
    has them beside the others and clamps by default; the other files have none or TensorFlow's.
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
    """Stand-ins for what early rosinality files lack: noise maps, and the place of w's mean."""
    stand_ins = {} if "latent_avg" in saved else {"latent_avg": torch.zeros(config.w_dim)}
    for i in range(config.num_ws - 1):
        if (name := f"noises.noise_{i}") not in saved:
            pixels = 4 << (i + 1) // 2
            stand_ins[name] = torch.from_numpy(seeded_normal([i], 1, pixels, pixels))
    return stand_ins

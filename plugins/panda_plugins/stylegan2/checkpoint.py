"""Build a StyleGAN2 from the tensors of a file, in any of the four ways to name them."""

from __future__ import annotations

import math
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
    plain_names,
    section,
)
from ..common.options import Option, count, number, one_of, outer, read_options, taps
from .backend import StyleGAN2
from .names import GENFORCE, NVIDIA, ROSINALITY, SPELLINGS, TENSORFLOW
from .network import Config, Network

ARCHITECTURE = "StyleGAN2"

GENERATOR = {"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs"}
"""The constructor's arguments that both of NVIDIA's PyTorch repositories have."""

MEAN_SAMPLES = 4096
"""How many w to average where a file contains no mean; rosinality's code uses as many."""

TAPS = (1, 3, 3, 1)
"""The resampling filter of every official network."""


def _precision(clamp: int | None, half: int) -> tuple[Option, Option]:
    """Return NVIDIA's options of networks in half precision, with these defaults."""
    return (
        number("conv_clamp", clamp, sets="conv_clamp", optional=True),
        count("num_fp16_res", half, sets="num_fp16_res"),
    )


OPTIONS = {
    GENFORCE.origin: (
        number("mapping_lr_mul", 0.01, sets="lr_multiplier"),
        one_of("final_tanh", False, True, sets="tanh"),
        one_of("demodulate", True),
        one_of("use_wscale", True),
    ),
    ROSINALITY.origin: (number("lr_mlp", 0.01, sets="lr_multiplier"),),
    TENSORFLOW.origin: (
        number("mapping_lrmul", 0.01, sets="lr_multiplier"),
        taps("resample_kernel", *TAPS, sets="resample_filter"),
        *_precision(None, 0),
        one_of("normalize_latents", True),
        one_of("nonlinearity", "lrelu"),
        one_of("mapping_nonlinearity", "lrelu"),
    ),
}
"""Options that no tensor shows, by whose names a file uses."""


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
    options = _options(spelling, checkpoint)
    resample_filter = outer(options.pop("resample_filter", TAPS))
    config = config_of(NamedTensors(ARCHITECTURE, spelling, tensors), **options)
    unsaved = _unsaved(config, checkpoint) if spelling is ROSINALITY else {}
    with torch.device("meta"):
        network = Network(config)
    weights = NamedTensors(ARCHITECTURE, spelling, {**tensors, **unsaved})
    weights.load(network, {"resample_filter": resample_filter})
    network.requires_grad_(False).to(dtype)
    if "latent_avg" in unsaved:
        size = sum(parameter.numel() for parameter in network.mapping.parameters())
        checkpoint.budget.spend(steps=MEAN_SAMPLES * (config.z_dim // 50 + size // 100_000))
        z = torch.from_numpy(seeded_normal([0], MEAN_SAMPLES, config.z_dim))[0]
        network.mapping.w_avg = network.mapping(z.to(dtype), None).mean(0)
    return network


def spelling_of(tensors: Mapping[str, Tensor]) -> Spelling | None:
    """Return how the tensors are named, or None where they are not a StyleGAN2 generator's."""
    return next((spelling for spelling in SPELLINGS if spelling.fits(tensors)), None)


def config_of(weights: NamedTensors, **options: Any) -> Config:
    """Infer the sizes of a network from its tensors.

    Args:
        weights: The tensors.
        **options: The attributes of `Config` that they do not show.

    Raises:
        PandaError: A tensor that decides a size is missing or misshapen.
    """

    def widths(k: int) -> list[str]:
        parts = ("conv1.bias", "conv1.affine.bias", "torgb.affine.bias")
        return [f"synthesis.b{4 << k}.{part}" for part in parts]

    def layers(i: int) -> list[str]:
        return [f"mapping.fc{i}.bias", f"mapping.fc{i}.weight"]

    blocks = weights.count(RESOLUTIONS, widths)
    names = [f"synthesis.b{4 << k}" for k in range(blocks)]
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
    if any(f"{name}.skip.weight" in weights for name in names):
        architecture = "resnet"
    elif any(f"{name}.torgb.weight" in weights for name in names[:-1]):
        architecture = "skip"
    return Config(
        channels=tuple(weights.length(widths(k)) for k in range(blocks)),
        z_dim=z_dim,
        w_dim=w_dim,
        mapping_layers=depth,
        classes=classes,
        const=weights.start(
            f"{names[0]}.const",
            [[f"{name}.{conv}.noise_const" for conv in ("conv0", "conv1")] for name in names],
        ),
        image_channels=weights.image_channels([f"{name}.torgb" for name in names]),
        joint_norm=joint_norm,
        architecture=architecture,
        **options,
    )


def _options(spelling: Spelling, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what shapes do not show: attributes of `Config`, and taps of the resampling filter."""
    if spelling is not NVIDIA:
        return read_options(ARCHITECTURE, checkpoint, OPTIONS[spelling.origin])
    # stylegan2-ada-pytorch nests the arguments of the synthesis network; stylegan3 has them beside
    # the others, clamps by default and runs four resolutions in half precision.
    facts = checkpoint.config
    mapping = section(facts, "mapping_kwargs", {})
    synthesis = section(facts, "synthesis_kwargs", facts)
    check_activation(mapping, synthesis)
    is_flat = "synthesis_kwargs" not in facts and facts.keys() - GENERATOR
    return read_options(
        ARCHITECTURE,
        checkpoint,
        (
            number("lr_multiplier", 0.01, sets="lr_multiplier"),
            *_precision(256 if is_flat else None, 4 if is_flat else 0),
        ),
        record={**synthesis, **mapping},
    )


def _unsaved(config: Config, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Return stand-ins for what early rosinality files lack: noise maps, and zeros for w's mean."""
    saved = checkpoint.tensors
    stand_ins = {} if "latent_avg" in saved else {"latent_avg": torch.zeros(config.w_dim)}
    sizes = {i: config.size_at((i + 1) // 2) for i in range(config.num_ws - 1)}
    sizes = {i: size for i, size in sizes.items() if f"noises.noise_{i}" not in saved}
    checkpoint.budget.spend(bytes=sum(4 * math.prod(size) for size in sizes.values()))
    for i, size in sizes.items():
        stand_ins[f"noises.noise_{i}"] = torch.from_numpy(seeded_normal([i], 1, *size))
    return stand_ins

"""Build a StyleGAN from the tensors of a file, in genforce's names or TensorFlow's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError

from ..common.loading import (
    MAPPING_LAYERS,
    RESOLUTIONS,
    NamedTensors,
    Spelling,
    plain_names,
)
from ..common.options import number, one_of, outer, read_options, taps
from .backend import StyleGAN
from .names import GENFORCE, tensorflow
from .network import BLUR, Config, Network

FUSED = one_of("fused_scale", "auto", True, False, sets="fused_scale")

GENFORCE_OPTIONS = (
    number("mapping_lr_mul", 0.01, sets="lr_multiplier"),
    FUSED,
    one_of("final_tanh", False, True, sets="tanh"),
    one_of("use_wscale", True),
)
"""Options of genforce's code that no tensor shows."""

TENSORFLOW_OPTIONS = (
    number("mapping_lrmul", 0.01, sets="lr_multiplier"),
    FUSED,
    taps("blur_filter", 1, 2, 1, sets="blur"),
    one_of("normalize_latents", True),
    one_of("use_wscale", True),
    one_of("use_pixel_norm", False),
    one_of("use_instance_norm", True),
    one_of("nonlinearity", "lrelu"),
    one_of("mapping_nonlinearity", "lrelu"),
)
"""Options of the official code that no tensor shows."""


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are a StyleGAN's, by their names and numbers of dimensions."""
    return spelling_of(plain_names(checkpoint.tensors)) is not None


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> StyleGAN:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: The tensors are not those of a StyleGAN, which the message names, or the
            network is still growing.
    """
    tensors = plain_names(checkpoint.tensors)
    spelling = spelling_of(tensors)
    if spelling is None:
        raise PandaError(f"this {checkpoint.container} file does not hold a StyleGAN generator")
    weights = NamedTensors("StyleGAN", spelling, tensors)
    known = GENFORCE_OPTIONS if spelling is GENFORCE else TENSORFLOW_OPTIONS
    options = read_options("StyleGAN", checkpoint, known)
    blur = outer(options.pop("blur")) if "blur" in options else BLUR
    with torch.device("meta"):
        network = Network(config_of(weights, **options))
    weights.load(network, {"blur.kernel": blur})
    if network.synthesis.lod != 0:
        raise PandaError(
            f"this StyleGAN is still growing (lod {float(network.synthesis.lod):g}), expected a"
            " finished one (lod 0)"
        )
    return StyleGAN(network, device, dtype)


def spelling_of(tensors: Mapping[str, Tensor]) -> Spelling | None:
    """Return how the tensors are named, or None where they are not a StyleGAN generator's."""
    images = (re.match(r"synthesis/ToRGB_lod(\d+)/", name) for name in tensors)
    blocks = 1 + max((int(image[1]) for image in images if image), default=0)
    return next((s for s in (GENFORCE, tensorflow(blocks)) if s.fits(tensors)), None)


def config_of(weights: NamedTensors, **options: Any) -> Config:
    """Infer the sizes of a network from its tensors.

    Args:
        weights: The tensors.
        **options: The attributes of `Config` that they do not show.

    Raises:
        PandaError: A tensor that decides a size is missing or misshapen.
    """

    def widths(k: int) -> list[str]:
        layers = (f"synthesis.layer{2 * k + i}" for i in range(2))
        return [f"{layer}.{part}" for layer in layers for part in ("bias", "apply_noise.weight")]

    def layers(i: int) -> list[str]:
        return [f"mapping.dense{i}.{part}" for part in ("bias", "weight")]

    blocks = weights.count(RESOLUTIONS, widths)
    depth = weights.count(MAPPING_LAYERS, layers)
    z_dim, classes = weights.matrix("mapping.dense0.weight")[1], 0
    if "mapping.label_weight" in weights:
        classes, z_dim = weights.matrix("mapping.label_weight")
    return Config(
        channels=tuple(weights.length(widths(k)) for k in range(blocks)),
        z_dim=z_dim,
        w_dim=weights.length(
            [f"mapping.dense{i}.bias" for i in range(depth)] + ["truncation.w_avg"]
        ),
        mapping_layers=depth,
        classes=classes,
        const=weights.start(
            "synthesis.layer0.const",
            [
                [f"synthesis.layer{2 * k + i}.apply_noise.noise" for i in range(2)]
                for k in range(blocks)
            ],
        ),
        image_channels=weights.image_channels([f"synthesis.output{k}" for k in range(blocks)]),
        **options,
    )

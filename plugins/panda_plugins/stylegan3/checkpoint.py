"""Build a StyleGAN3 from NVIDIA's tensors, and the constructor's arguments if the file has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError

from ..common.loading import colors, section
from ..common.options import number, read_options
from .backend import StyleGAN3
from .design import Sampling
from .network import Config, Network

_LAYER = re.compile(r"synthesis\.L(\d{1,2})_(\d{1,5})_(\d{1,5})\.weight")

OPTIONS = (
    number("lr_multiplier", Config.lr_multiplier, sets="lr_multiplier"),
    number("conv_clamp", Config.conv_clamp, sets="conv_clamp", optional=True),
    number("output_scale", Config.output_scale, sets="output_scale"),
)
"""Options that neither a tensor nor the sampling rates show."""


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are a StyleGAN3's, by their names."""
    return "synthesis.input.freqs" in checkpoint.tensors and any(
        map(_LAYER.fullmatch, checkpoint.tensors)
    )


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> StyleGAN3:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: Tensors are missing, unexpected or misshapen, or do not agree with the
            constructor's arguments in the file.
    """
    network = build(checkpoint)
    load_strictly(network, checkpoint.tensors, "StyleGAN3")
    for name, layer in zip(network.synthesis.names, network.synthesis.layers, strict=True):
        for kind, designed in layer.design.filters.items():
            if designed is None:
                continue
            error = (layer.get_buffer(kind).cpu() - torch.from_numpy(designed)).abs().max()
            if error > 1e-4 * designed.max():
                raise PandaError(
                    f"synthesis.{name}.{kind} is not the low-pass filter of cutoff"
                    f" {layer.design.source.cutoff:g} to {layer.design.target.cutoff:g} that the"
                    f" constructor's arguments ask for: they differ by {error:.2g}"
                )
    return StyleGAN3(network, device, dtype)


def build(checkpoint: Checkpoint) -> Network:
    """Build a network on the meta device from constructor's arguments, names and shapes.

    Channels always come from the shapes: files often lack the arguments that decide them.

    Raises:
        PandaError: Names, shapes and arguments do not describe one network.
    """
    tensors, given = checkpoint.tensors, checkpoint.config
    layers = _layers(tensors)
    colors("StyleGAN3", [layers[-1][1]])
    first = f"synthesis.L0_{layers[0][0]}_{layers[0][1]}"
    radial = f"{first}.down_filter" in tensors and tensors[f"{first}.down_filter"].dim() == 2
    inferred = {"num_layers": len(layers) - 1, "use_radial_filters": radial}
    w_dim = shape_of(tensors, "mapping.w_avg", dims=1)[0]
    embed = "mapping.embed.weight"
    classes = shape_of(tensors, embed, dims=2)[1] if embed in tensors else 0
    features_in = shape_of(tensors, "mapping.fc0.weight", dims=2)[1]
    config = Config(
        resolution=_resolution(given.get("img_resolution", layers[-1][0])),
        channels_in=shape_of(tensors, "synthesis.input.phases", dims=1)[0],
        channels=tuple(channels for _, channels in layers),
        z_dim=features_in - (w_dim if classes else 0),
        w_dim=w_dim,
        classes=classes,
        mapping_layers=sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", n)) for n in tensors),
        kernel=shape_of(tensors, f"{first}.weight", dims=4)[2],
        sampling=Sampling(
            **{
                option.name: _number(given, option.name, inferred.get(option.name, option.default))
                for option in fields(Sampling)
            }
        ),
        **read_options(
            "StyleGAN3",
            checkpoint,
            OPTIONS,
            record={**given, **section(given, "mapping_kwargs", {})},
        ),
    )
    if config.sampling.num_layers != len(layers) - 1:
        raise PandaError(
            f"the checkpoint has {len(layers)} StyleGAN3 layers, but its constructor's arguments"
            f" say num_layers = {config.sampling.num_layers}"
        )
    designs = config.sampling.layers(config.resolution)
    checkpoint.budget.spend(bytes=sum(design.filter_bytes for design in designs))
    with torch.device("meta"):
        return Network(config)


def _layers(tensors: Mapping[str, Tensor]) -> list[tuple[int, int]]:
    """Return the size in the name, and the channels, of every layer."""
    matches = {int(match[1]): match for name in tensors if (match := _LAYER.fullmatch(name))}
    missing = set(range(len(matches) + (not matches))) - set(matches)
    if missing:
        raise PandaError(f"the checkpoint has no weight of StyleGAN3 layer L{min(missing)}")
    return [
        (int(matches[i][2]), shape_of(tensors, matches[i][0], dims=4)[0])
        for i in range(len(matches))
    ]


def _resolution(value: Any) -> int:
    if type(value) is not int or not 4 <= value <= 8192:
        raise PandaError(
            f"StyleGAN3 with img_resolution = {value!r:.80}, expected a whole number, 4 to 8192"
        )
    return value


def _number(given: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return a constructor's argument, checked: the type of its default, and 0 to 1024."""
    value = given.get(name, default)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default) or not 0 <= value <= 1024:
        raise PandaError(
            f"StyleGAN3 with {name} = {value!r}, expected something like {default!r}, at most 1024"
        )
    return value

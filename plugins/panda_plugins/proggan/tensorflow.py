"""Convert ProGAN's TensorFlow variables, or TensorFlow Hub's constants, to genforce's names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from panda.checkpoints.strict import shape_of
from panda.errors import PandaError

HUB = "module_apply_default"
"""The scope of TensorFlow Hub's graph."""


def from_tensorflow(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the variables of ``Gs``, by local name, to the state dict of `Network`.

    A variable that the network does not have keeps its name, so that the strict check reports it.

    Raises:
        PandaError: The first layer's weight is misshapen.
    """
    levels = sum(name.startswith("ToRGB_lod") and name.endswith("bias") for name in tensors)
    converted = {}
    for name, value in tensors.items():
        layer, _, kind = name.rpartition("/")
        target = _layer(layer, levels)
        if kind == "weight" and layer == "4x4/Dense":
            shape_of(tensors, name, dims=2)
            converted[f"{target}.weight"] = _dense(value)
        elif kind == "weight" and value.dim() == 4:
            converted[f"{target}.weight"] = value.permute(3, 2, 0, 1).contiguous()
        else:
            converted[f"{target}.{kind}" if layer else name] = value
    return converted


def _layer(name: str, levels: int) -> str:
    """Convert ``RxR/Conv1`` or ``ToRGB_lodK`` to genforce's ``layerK`` or ``outputB``."""
    if match := re.fullmatch(r"ToRGB_lod(\d{1,2})", name):
        return f"output{levels - 1 - int(match[1])}"
    if match := re.fullmatch(r"(\d{1,4})x\1/(Dense|Conv0|Conv0_up|Conv|Conv1)", name):
        block, second = int(match[1]).bit_length() - 3, match[2] in ("Conv", "Conv1")
        return f"layer{2 * block + second}"
    return name


def _dense(weight: Tensor) -> Tensor:
    """Convert a dense weight ``[z, 16 C]`` to the equivalent convolution's ``[C, z, 4, 4]``."""
    if weight.shape[1] % 16:
        raise PandaError(
            f"4x4/Dense/weight has {weight.shape[1]} columns, expected a multiple of 16"
        )
    return weight.reshape(len(weight), -1, 4, 4).transpose(0, 1).flip(2, 3).contiguous()


def from_tensorflow_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the constants of TensorFlow Hub's ``progan-128/1``, as TensorFlow.js stores them.

    The stored kernels include their run-time scales, which are divided out. RGB outputs of smaller
    resolutions are missing; a grown network never uses them, so they become zeros.

    The stored last bias is 0.5 larger than the network's, and the published graph then clips to
    [0, 1]. The network makes images in [-1, 1], like every ProGAN: before the clip, its values end
    abruptly at -0.5 and 1.5. So 0.5 is subtracted, and nothing is scaled. As published, clipped to
    [0, 1], 37 of 100 pixels of the faces would be pure black or pure white.

    Raises:
        PandaError: A constant is missing or misshapen.
    """
    depth = sum(name.endswith("/merged_input") for name in tensors) - 1
    converted = {"lod": torch.zeros(())}
    for k in range(depth + 1):
        name = f"{HUB}/Conv2D{f'_{k}' if k else ''}/merged_input"
        height, width, inputs, _ = shape_of(tensors, name, dims=4)
        bias = f"module/g_model/res_{k // 2}/conv{k % 2}/bias" if k < depth else f"{HUB}/add_26"
        shape_of(tensors, bias, dims=1)
        weight = tensors[name].permute(3, 2, 0, 1) * math.sqrt(height * width * inputs)
        if k == depth:
            converted[f"output{k // 2 - 1}.weight"] = weight.contiguous()
            converted[f"output{k // 2 - 1}.bias"] = tensors[bias] - 0.5
        else:
            converted[f"layer{k}.weight"] = (weight / math.sqrt(2)).contiguous()
            converted[f"layer{k}.bias"] = tensors[bias]
    for b in range(depth // 2 - 1):
        channels = len(converted[f"layer{2 * b + 1}.bias"])
        last = converted[f"output{depth // 2 - 1}.bias"]
        converted[f"output{b}.weight"] = torch.zeros(len(last), channels, 1, 1)
        converted[f"output{b}.bias"] = torch.zeros_like(last)
    return converted

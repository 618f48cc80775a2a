"""The names of StyleGAN2's tensors: NVIDIA's PyTorch (ours too), genforce, rosinality, TensorFlow.

Genforce's and TensorFlow's files contain upsampling weights flipped, and style biases minus one.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from panda.errors import PandaError

from ..common.loading import Spelling


def _split(ours: str) -> tuple[int, int, str, str]:
    """Split ``synthesis.b16.conv0.bias`` into block 2, layer 3, part ``conv0``, rest ``bias``."""
    match = re.fullmatch(r"synthesis\.b(\d+)\.(?:(conv0|conv1|torgb|skip)\.)?(.+)", ours)
    assert match is not None, ours
    pixels, part, rest = match.groups("")
    k = int(pixels).bit_length() - 3
    return k, 2 * k - (part == "conv0"), part, rest


def _fc(ours: str) -> tuple[int, str] | None:
    match = re.fullmatch(r"mapping\.fc(\d+)\.(\w+)", ours)
    return (int(match[1]), match[2]) if match else None


def _genforce(ours: str) -> str | None:
    if fc := _fc(ours):
        return f"mapping.dense{fc[0]}.{fc[1]}"
    if not ours.startswith("synthesis."):
        return {"mapping.w_avg": "truncation.w_avg"}.get(ours, ours)
    k, layer, part, rest = _split(ours)
    rest = rest.replace("affine", "style")
    if part == "skip":
        return None  # genforce and rosinality have no residual generators
    if not part:
        return "synthesis.early_layer.const" if rest == "const" else "synthesis.upsample.kernel"
    if part == "torgb":
        return f"synthesis.output{k}.{rest}"
    rest = {"noise_const": "noise", "resample_filter": "filter.kernel"}.get(rest, rest)
    return f"synthesis.layer{layer}.{rest}"


def _rosinality(ours: str) -> str | None:
    if fc := _fc(ours):
        return f"style.{fc[0] + 1}.{fc[1]}"
    if not ours.startswith("synthesis."):
        return {"mapping.w_avg": "latent_avg"}.get(ours)
    k, layer, part, rest = _split(ours)
    if part == "skip":
        return None
    if rest == "const":
        return "input.input"
    if rest == "noise_const":
        return f"noises.noise_{layer}"
    rgb = f"to_rgbs.{k - 1}" if k else "to_rgb1"
    if not part:
        return f"{rgb}.upsample.kernel"
    rest = rest.replace("affine", "conv.modulation")
    if part == "torgb":
        return f"{rgb}.{'conv.weight' if rest == 'weight' else rest}"
    rest = {
        "weight": "conv.weight",
        "bias": "activate.bias",
        "noise_strength": "noise.weight",
        "resample_filter": "conv.blur.kernel",
    }.get(rest, rest)
    return f"{f'convs.{layer - 1}' if layer else 'conv1'}.{rest}"


def _tensorflow(ours: str) -> str | None:
    if fc := _fc(ours):
        return f"mapping/Dense{fc[0]}/{fc[1]}"
    if not ours.startswith("synthesis."):
        return {
            "mapping.w_avg": "dlatent_avg",
            "mapping.label_weight": "mapping/LabelConcat/weight",
            "mapping.embed.weight": "mapping/LabelEmbed/weight",
            "mapping.embed.bias": "mapping/LabelEmbed/bias",
        }.get(ours)
    k, layer, part, rest = _split(ours)
    if rest == "noise_const":
        return f"synthesis/noise{layer}"
    if rest.endswith("resample_filter"):
        return None
    parts = {"": "Const", "conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB", "skip": "Skip"}
    name = "Conv" if part == "conv1" and k == 0 else parts[part]
    return f"synthesis/{4 << k}x{4 << k}/{name}/{rest.replace('affine.', 'mod_')}"


def _filter(kernel: Tensor) -> Tensor:
    """Normalize a resampling filter, which other files scale."""
    return kernel.reshape(kernel.shape[-2:]) / kernel.sum()


def _from_genforce(ours: str, theirs: Tensor) -> Tensor:
    if ours.endswith("resample_filter"):
        if not torch.equal(theirs, theirs.flip(-2, -1)):
            raise PandaError("a resampling filter that is not symmetric, as genforce's all are")
        return _filter(theirs)
    if ours.endswith(".const"):
        return theirs.squeeze(0)
    if ours.endswith("noise_const"):
        return theirs.squeeze(0).squeeze(0)
    if ours.endswith("affine.bias"):
        return theirs + 1
    return theirs.flip(2, 3) if ours.endswith("conv0.weight") else theirs


def _from_rosinality(ours: str, theirs: Tensor) -> Tensor:
    if ours.endswith("resample_filter"):
        return _filter(theirs)
    if ours.endswith("noise_const"):
        return theirs.squeeze(0).squeeze(0)
    if ours.endswith("torgb.bias"):
        return theirs.squeeze(3).squeeze(2).squeeze(0)
    if ours.endswith((".const", "noise_strength")) or re.search(r"(conv[01]|torgb)\.weight", ours):
        return theirs.squeeze(0)
    return theirs


def _from_tensorflow(ours: str, theirs: Tensor) -> Tensor:
    if ours == "mapping.label_weight":
        return theirs
    if theirs.ndim == 4 and ours.endswith(".weight"):
        theirs = theirs.permute(3, 2, 0, 1)
    elif theirs.ndim == 2:
        return theirs.T
    return _from_genforce(ours, theirs)


NVIDIA = Spelling("NVIDIA's PyTorch", {"synthesis.b4.const": 3, "synthesis.b4.conv1.weight": 4})
GENFORCE = Spelling(
    "genforce",
    {"synthesis.early_layer.const": 4, "synthesis.layer0.noise_strength": 0},
    _genforce,
    _from_genforce,
)
ROSINALITY = Spelling(
    "rosinality",
    {"input.input": 4, "conv1.conv.modulation.weight": 2},
    _rosinality,
    _from_rosinality,
)
TENSORFLOW = Spelling(
    "TensorFlow",
    {"synthesis/4x4/Conv/mod_weight": 2, "synthesis/4x4/ToRGB/mod_weight": 2},
    _tensorflow,
    _from_tensorflow,
    frozenset({"lod"}),
)
SPELLINGS = (NVIDIA, GENFORCE, ROSINALITY, TENSORFLOW)

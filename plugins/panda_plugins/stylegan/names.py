"""The names of StyleGAN's tensors: genforce's, which are ours too, and TensorFlow's."""

from __future__ import annotations

import re

from torch import Tensor

from ..common.loading import Spelling

_PARTS = {
    "const": "const",
    "weight": "weight",
    "bias": "bias",
    "apply_noise.weight": "Noise/weight",
    "style.weight": "StyleMod/weight",
    "style.bias": "StyleMod/bias",
}


def tensorflow(blocks: int) -> Spelling:
    """Return TensorFlow's names for a network of ``blocks`` resolutions.

    TensorFlow counts RGB outputs from the highest resolution down.
    """

    def name(ours: str) -> str | None:
        if match := re.fullmatch(r"mapping\.dense(\d+)\.(\w+)", ours):
            return f"mapping/Dense{match[1]}/{match[2]}"
        if match := re.fullmatch(r"synthesis\.output(\d+)\.(\w+)", ours):
            return f"synthesis/ToRGB_lod{blocks - 1 - int(match[1])}/{match[2]}"
        if match := re.fullmatch(r"synthesis\.layer(\d+)\.(.+)", ours):
            return _layer(int(match[1]), match[2])
        return {
            "mapping.label_weight": "mapping/LabelConcat/weight",
            "truncation.w_avg": "dlatent_avg",
            "synthesis.lod": "synthesis/lod",
        }.get(ours)

    return Spelling(
        "TensorFlow",
        {"synthesis/4x4/Const/StyleMod/weight": 2, "synthesis/4x4/Conv/StyleMod/weight": 2},
        name,
        _value,
        frozenset({"lod"}),
    )


def _layer(index: int, part: str) -> str | None:
    if part == "apply_noise.noise":
        return f"synthesis/noise{index}"
    if part not in _PARTS:
        return None
    k = index // 2
    conv = ("Conv0_up" if k else "Const", "Conv1" if k else "Conv")[index % 2]
    return f"synthesis/{4 << k}x{4 << k}/{conv}/{_PARTS[part]}"


def _value(ours: str, theirs: Tensor) -> Tensor:
    if not ours.endswith(".weight"):
        return theirs
    return theirs.permute(3, 2, 0, 1) if theirs.ndim == 4 else theirs.t()


GENFORCE = Spelling(
    "genforce", {"synthesis.layer0.const": 4, "synthesis.layer0.apply_noise.weight": 1}
)

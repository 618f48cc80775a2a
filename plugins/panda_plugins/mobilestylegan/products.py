"""Matrix products of many rows, by the library that is fastest at them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def pointwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """1 x 1 convolution of ``x [..., C]`` with ``weight [C_out, C]`` and ``bias [C_out]``."""
    recorded = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if x.is_cpu and x.dtype == torch.float32 and not recorded and (onednn := _onednn()):
        product: Tensor = onednn(x, weight, bias, "none", [], "")
        return product
    return F.linear(x, weight, bias)


@lru_cache
def _onednn() -> Any:
    """Torch's door to oneDNN's product, where this torch has it; None elsewhere.

    `F.linear` asks MKL, which takes up to 1.2 times as long on AMD's processors and four times for
    few columns. The door is one of torch's own compiler, not a documented one, and has no gradient.
    """
    try:
        product = torch.ops.mkldnn._linear_pointwise
        x = torch.ones(2, 2)
        found = product(x, x, x[0], "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return None
    return product if torch.equal(found, torch.full((2, 2), 3.0)) else None

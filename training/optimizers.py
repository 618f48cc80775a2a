"""Optimizers whose learning rates change between steps, also those of captured steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def adam(
    groups: Iterable[Iterable[nn.Parameter]], momentum: float, device: torch.device
) -> torch.optim.Adam:
    """Return Adam for groups of parameters; the schedule sets its learning rates.

    On a GPU learning rates are tensors, because a captured step reads their values when replayed.
    """
    on_gpu = device.type == "cuda"
    optimizer = torch.optim.Adam(
        [{"params": list(group)} for group in groups],
        betas=(momentum, 0.99),
        fused=on_gpu,
        capturable=on_gpu,
    )
    if on_gpu:
        for group in optimizer.param_groups:
            group["lr"] = torch.zeros((), device=device)
    return optimizer


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set the learning rate of a group of parameters."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate

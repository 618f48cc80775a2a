"""Edits that change nothing in some samples, and why, for whoever asked for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.notes import note

Idle = dict[str, list[int]]
"""The samples in which an edit changes nothing, by a sentence that says why."""


def unchanged(before: Tensor, after: Tensor, stays: Sequence[bool] = ()) -> list[int]:
    """Return the samples in which an edit changes nothing.

    Args:
        before: Features ``[N, C, H, W]`` without the edit.
        after: Features with it.
        stays: For each sample, whether the latents that it moves stay; by default it moves none.
    """
    # A comparison ends at the first difference.
    return [
        row
        for row in range(len(after))
        if (stays and stays[row]) or torch.equal(before[row], after[row])
    ]


def note_idle(idle: Idle, count: int, kind: str = "seed") -> None:
    """Tell on stderr which edits change nothing.

    Args:
        idle: What was collected.
        count: The number of all samples.
        kind: What the numbers of samples are.
    """
    for sentence, numbers in idle.items():
        note(f"{sentence}{'' if len(numbers) == count else f' ({kind} {_listed(numbers)})'}")


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return shown + (", ..." if len(numbers) > 8 else "")

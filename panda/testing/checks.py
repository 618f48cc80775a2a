"""What a check is, and the measures that checks share.

A check yields its problems; each says what is wrong and what to do about it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from panda.testing.trial import Trial


@dataclass(frozen=True)
class Problem:
    """What is wrong and what to do about it, at a layer or in general."""

    text: str
    layer: str = ""


Problems = Iterator[Problem]


@dataclass(frozen=True)
class Check:
    """A function that finds problems, what holds where it finds none, and what must hold before."""

    name: str
    about: str
    needs: tuple[str, ...]
    problems: Callable[[Trial], Problems]


def check(*needs: str) -> Callable[[Callable[[Trial], Problems]], Check]:
    """Make a check of a function; its docstring says what holds."""

    def make(function: Callable[[Trial], Problems]) -> Check:
        return Check(function.__name__, (function.__doc__ or "").rstrip("."), needs, function)

    return make


def differ(a: Tensor, b: Tensor) -> float:
    """The largest difference; infinite where shapes differ or either is not finite."""
    if a.shape != b.shape:
        return float("inf")
    if a.numel() == 0:
        return 0.0
    gap = (a.detach().double() - b.detach().double()).abs().max()
    return float(gap.nan_to_num(nan=float("inf"), posinf=float("inf")))


def rounding(like: Tensor) -> float:
    """How far such numbers may be apart for no other reason than the order of additions.

    Of n float32 products it changes the sum by some 6e-8 sqrt(n) of their sizes (Higham and Mary,
    SIAM J. Sci. Comput. 41, 2019): two dozen layers of sums of 4 608 come to 1e-4.
    """
    finite = like.detach().nan_to_num(0.0, 0.0, 0.0)
    return 1e-4 * max(1.0, differ(finite, torch.zeros_like(finite)))


def unlike(trial: Trial, a: Tensor, b: Tensor) -> bool:
    """Whether the same operations gave other numbers (off the CPU: beyond rounding)."""
    return differ(a, b) > (0 if trial.generator.device.type == "cpu" else trial.rounding)


def stir() -> None:
    """Move the random numbers that everybody draws from, so that a seed set once more shows."""
    torch.rand(1)
    np.random.random()
    random.random()


def global_streams() -> list[object]:
    """Where the random numbers are that everybody draws from: those of torch, NumPy and Python."""
    numpy: Any = np.random.get_state()
    return [
        torch.get_rng_state().numpy().tobytes(),
        (numpy[1].tobytes(), numpy[2:]),
        random.getstate(),
    ]

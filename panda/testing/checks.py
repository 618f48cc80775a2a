"""What a check is, and the functions that checks share.

A check yields problems; each says what is wrong and how to fix it.
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
    """What is wrong and how to fix it, at a layer or in general."""

    text: str
    layer: str = ""


Problems = Iterator[Problem]


@dataclass(frozen=True)
class Check:
    """A function that looks for problems.

    Attributes:
        name: The name of the check.
        about: What is true of a generator without such problems, in a sentence.
        needs: The checks that must pass before this one can run.
        problems: Yield the problems of a trial's generator.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    problems: Callable[[Trial], Problems]


def check(*needs: str) -> Callable[[Callable[[Trial], Problems]], Check]:
    """Turn a function into a check; its docstring says what is true of a good generator."""

    def make(function: Callable[[Trial], Problems]) -> Check:
        return Check(function.__name__, (function.__doc__ or "").rstrip("."), needs, function)

    return make


def differ(a: Tensor, b: Tensor) -> float:
    """Return the largest difference; infinite where shapes differ or values are not finite."""
    if a.shape != b.shape:
        return float("inf")
    if a.numel() == 0:
        return 0.0
    gap = (a.detach().double() - b.detach().double()).abs().max()
    return float(gap.nan_to_num(nan=float("inf"), posinf=float("inf")))


def rounding(like: Tensor) -> float:
    """Return how much such values may differ by the order of additions alone.

    For n float32 products it changes the sum by some 6e-8 sqrt(n) of their sizes (Higham and Mary,
    SIAM J. Sci. Comput. 41, 2019): two dozen layers of sums of 4 608 come to 1e-4.
    """
    finite = like.detach().nan_to_num(0.0, 0.0, 0.0)
    return 1e-4 * max(1.0, differ(finite, torch.zeros_like(finite)))


def deviation(x: Tensor) -> Tensor:
    """Return noise ``[N, C, H, W]`` whose standard deviation is that of features."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
    return noise * x.std(correction=0).clamp_min(1e-3)


def unlike(trial: Trial, a: Tensor, b: Tensor) -> bool:
    """Return whether the same operations gave other values (off the CPU: beyond rounding)."""
    return differ(a, b) > (0 if trial.generator.device.type == "cpu" else rounding(b))


def stir() -> None:
    """Advance the global random number generators, so that seeding them again is noticed."""
    torch.rand(1)
    np.random.random()
    random.random()


def global_random_states() -> list[object]:
    """Return the states of the global random number generators of torch, NumPy and Python."""
    numpy: Any = np.random.get_state()
    return [
        torch.get_rng_state().numpy().tobytes(),
        (numpy[1].tobytes(), numpy[2:]),
        random.getstate(),
    ]

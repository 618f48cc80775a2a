"""What a check is, and the measures that checks share.

A check yields its problems; each says what is wrong and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    gap = (a.detach().double() - b.detach().double()).abs().max()
    return float(gap.nan_to_num(nan=float("inf"), posinf=float("inf")))


def unlike(trial: Trial, a: Tensor, b: Tensor) -> bool:
    """Whether the same operations gave other numbers (off the CPU: beyond rounding)."""
    return differ(a, b) > (0 if trial.generator.device.type == "cpu" else trial.rounding)

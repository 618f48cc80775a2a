"""Figures that plugins add to a comparison of generators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panda.factorization.factors import Factors
    from panda.generators.contract import Generator


@dataclass(frozen=True)
class Score:
    """A figure of a generator's factors.

    Attributes:
        about: What it means, in a few words.
        measure: Compute it as ``measure(generator, factors, seeds)``, a finite number. The factors
            are those of one layer of that generator; no seed was used to fit them.
    """

    about: str
    measure: Callable[[Generator, Factors, Sequence[int]], float]

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
    """One figure of a generator's factors, with what it means in a few words.

    ``measure(generator, factors, seeds)`` returns a finite number; the factors are of one layer of
    that generator, and the seeds are none that they were fitted on.
    """

    about: str
    measure: Callable[[Generator, Factors, Sequence[int]], float]

"""What the kinds of benchmarks share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from panda.cli.options import Parser
from panda.errors import PandaError

if TYPE_CHECKING:
    from panda.factorization.factors import Factors
    from panda.generators.contract import Generator

FITS = "folders written by panda fit, of one layer and disjoint sets of seeds"


def add_count(verb: Parser) -> None:
    """Add the number of images."""
    verb.add_argument("--n", type=int, default=1000, help="images (default: %(default)s)")


def load(options: argparse.Namespace) -> tuple[list[Factors], Generator]:
    """Return fits that are measured together, and their generator."""
    from panda.cli.rendering import generator_of
    from panda.factorization.factors import Factors

    if options.n < 1:
        raise PandaError(f"{options.n} images, expected at least one")
    fits = [Factors.load(folder) for folder in options.factors]
    return fits, generator_of(fits[0], options)


def figure(estimate: Any) -> str:
    """Return a mean and half of its 95 % interval as text."""
    return "{:.3f} ± {:.3f}".format(*estimate)

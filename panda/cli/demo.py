"""``panda demo``: everything once, and a report to look at."""

from __future__ import annotations

import argparse
import sys

from panda.demo import run as demonstration
from panda.errors import PandaError
from panda.generators.registry import find_card

FACES = "mobilestylegan-ffhq-1024"
EMBEDDED = "mini-stylegan2-faces-64"
"""Comes with the package, for machines without a network connection."""


def demo(options: argparse.Namespace) -> None:
    """Run the demo and close with what was done and where it is."""
    name = options.generator or _faces()
    result = demonstration.run(name, options.out, quick=options.quick, device=options.device)
    for factors in result.factors:
        seconds = factors.config["seconds"]
        print(
            f"{factors.layer.name}: {factors.parts.shape[1]} parts, loss {factors.loss:.4f} of the"
            f" energy, {seconds['sampling']:.1f} s sampling, {seconds['solving']:.1f} s solving"
        )
    print(f"all in {sum(result.seconds.values()):.0f} s; open {result.report}")


def _faces() -> str:
    """The faces whose weights are cached or can be fetched; else those that come with us."""
    weights = find_card(FACES).weights
    try:
        if weights is not None:
            weights.fetch()
        return FACES
    except PandaError as error:
        print(f"note: {error}\nnote: the demo uses {EMBEDDED} instead", file=sys.stderr)
        return EMBEDDED

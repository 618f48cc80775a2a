"""``panda benchmark localization``: how well concept maps agree with parsed faces."""

from __future__ import annotations

import argparse

from panda.cli.benchmark.common import FITS, add_count, figure, load
from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_factors,
    add_json,
    add_verb,
)
from panda.cli.output import print_json, say
from panda.notes import note

LOCALIZED = {
    "iou": "IoU",
    "constant": "of the best constant mask",
    "gain": "over it",
    "components": "of a principal component",
    "lead": "over it",
    "random": "of a random direction",
}
"""The figures of a concept, in words."""


def add(kinds: Verbs[Parser]) -> None:
    """Add the kind."""
    verb = add_verb(
        kinds,
        "localization",
        run,
        "how well concept maps agree with parsed faces",
        "Measure the intersection over union (IoU) of concept maps with parsed background, hair"
        " and skin.",
        "panda benchmark localization faces --n 100",
    )
    add_factors(verb, nargs="+", help=FITS)
    add_count(verb)
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Print how well concept maps agree with parsed faces."""
    from panda.evaluation.localization import measure_localization
    from panda.metrics.parsing import FaceParser

    fits, generator = load(options)
    figures = measure_localization(generator, fits, FaceParser(options.device), options.n)
    if options.json:
        print_json({"factors": options.factors, "n": options.n, "localization": figures})
        return
    for name, facts in figures.items():
        say(f"{name}, by concept {facts['concept']}")
        for key, words in LOCALIZED.items():
            say(f"  {words:26} {figure(facts[key])}")
    for factors in fits:
        if not factors.has_background:
            note(factors.no_background)

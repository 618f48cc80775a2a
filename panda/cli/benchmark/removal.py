"""``panda benchmark removal``: how much of an object goes."""

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
from panda.errors import PandaError, nearest
from panda.notes import note


def add(kinds: Verbs[Parser]) -> None:
    """Add the kind."""
    verb = add_verb(
        kinds,
        "removal",
        run,
        "how much of an object goes, and whether the rest stays",
        "Measure how much of the parsed area disappears when an object is removed, and whether a"
        " classifier sees the rest as before.",
        "panda benchmark removal faces --what hair --n 100",
    )
    add_factors(verb, nargs="+", help=FITS)
    verb.add_argument(
        "--what",
        type=_face_class,
        default="hair",
        metavar="CLASS",
        help="a class of CelebAMask-HQ, such as hair or hat, or object (default: %(default)s)",
    )
    add_count(verb)
    add_device(verb)
    add_json(verb)


def _face_class(text: str) -> str:
    """Check a class of parsed faces; raises `PandaError` with the nearest one."""
    from panda.metrics.parsing import CLASSES

    known = ("object", *CLASSES)
    if text not in known:
        raise PandaError(f"there is no face class {text!r}{nearest(text, known)}")
    return text


def run(options: argparse.Namespace) -> None:
    """Print what removing an object does."""
    from panda.evaluation.removal import measure_removal
    from panda.metrics.efficientnet import Classifier
    from panda.metrics.parsing import FaceParser

    fits, generator = load(options)
    parser = FaceParser(options.device)
    try:
        classifier = Classifier(options.device)
    except PandaError as error:
        note(f"without the classifier's figures: {error}")
        classifier = None
    figures = measure_removal(generator, fits, parser, classifier, options.what, options.n)
    if options.json:
        print_json({"factors": options.factors, **figures})
        return
    every = figures["parts"] or [None]
    words = ["the whole object" if each is None else f"parts {each}" for each in every]
    say(f"{options.what}: {'; '.join(words)}")
    for name, value in figures.items():
        if name not in ("what", "parts", "n"):
            say(f"{name:12} {figure(value)}")

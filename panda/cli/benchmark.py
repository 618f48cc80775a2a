"""``panda benchmark``: locality of edits, localization of concepts, removal of objects."""

from __future__ import annotations

import argparse
import json
import re
import sys

from panda.errors import PandaError
from panda.evaluation import ablations, locality, results
from panda.evaluation.localization import measure_localization
from panda.evaluation.removal import measure_removal
from panda.evaluation.settings import LocalitySettings
from panda.factorization.factors import Factors
from panda.generators.registry import create_generator
from panda.methods.catalog import METHODS
from panda.metrics.efficientnet import Classifier
from panda.metrics.parsing import FaceParser


def run_locality(options: argparse.Namespace) -> None:
    """Fit, choose, measure, and write the tables and the page."""
    part = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", options.part)
    if part is None or not 1 <= int(part[1]) <= int(part[2]):
        raise PandaError(f"--part {options.part!r}, expected such as 1/2 and 2/2")
    settings = LocalitySettings(
        generator=options.generator,
        edits=options.edits,
        n=options.n,
        methods=tuple(options.method or METHODS),
        published=tuple(options.published),
        target=options.strength,
        boxes=options.boxes,
        select=options.select,
        shortlist=options.shortlist,
        parse=0 if options.no_faces else options.parse_size,
        effects=options.effects,
    )
    generator = create_generator(options.generator, device=options.device)
    benchmark = locality.prepare(
        generator, settings, options.out, device=options.device, pictures=options.pictures
    )
    done = locality.run(benchmark, (int(part[1]), int(part[2])))
    page = results.write(benchmark)
    if options.json:
        print((options.out / "results.json").read_text(), end="")
    else:
        print((options.out / "results.md").read_text(), end="")
    lacking = "" if done else f"; {locality.missing(benchmark)} figures are still to come"
    print(f"{page}{lacking}", file=sys.stderr)


def run_localization(options: argparse.Namespace) -> None:
    """Print how well concept maps agree with parsed faces, as JSON."""
    factors = _check_count(options)
    generator = create_generator(factors.generator, device=options.device)
    parser = FaceParser(options.device)
    figures = measure_localization(generator, factors, parser, options.n)
    print(json.dumps(figures, indent=1))


def run_removal(options: argparse.Namespace) -> None:
    """Print what removing an object does, as JSON."""
    factors = _check_count(options)
    generator = create_generator(factors.generator, device=options.device)
    parser = FaceParser(options.device)
    try:
        classifier = Classifier(options.device)
    except PandaError as error:
        print(f"without the classifier's figures: {error}", file=sys.stderr)
        classifier = None
    figures = measure_removal(generator, factors, parser, classifier, options.what, options.n)
    print(json.dumps(figures, indent=1))


def run_ablations(options: argparse.Namespace) -> None:
    """Fit every variant, and write the figures and the page."""
    if options.held_out < 1 or options.steps < 1:
        raise PandaError("expected at least one sample to be held out, and one step")
    generator = create_generator(options.generator, device=options.device)
    rows = ablations.ablate(
        generator,
        options.layer,
        layers=[name for name in options.layers.split(",") if name],
        parts=options.parts,
        appearances=options.appearances or None,
        samples=options.samples,
        held_out=options.held_out,
        steps=options.steps,
    )
    for row in rows:
        print(
            f"{row.choice:12} {row.value:45} loss {row.loss:.4f}  area {row.area:.3f}"
            f"  {row.cpu_seconds:7.1f} s"
        )
    page = ablations.write(rows, f"{options.generator} {options.layer}", options.out)
    print(page, file=sys.stderr)


def _check_count(options: argparse.Namespace) -> Factors:
    if options.n < 1:
        raise PandaError(f"{options.n} images, expected at least one")
    return Factors.load(options.factors)

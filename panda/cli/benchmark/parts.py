"""``panda benchmark parts``: what parts mean."""

from __future__ import annotations

import argparse

from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_generator,
    add_json,
    add_out,
    add_verb,
)
from panda.cli.output import print_json, say
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers
from panda.notes import note


def add(kinds: Verbs[Parser]) -> None:
    """Add the kind."""
    verb = add_verb(
        kinds,
        "parts",
        run,
        "what parts mean: how well each one is a class of parsed faces",
        "Match parts one to one with the classes that face parsing sees, and measure purity and"
        " coverage on other samples: for several layers and numbers of parts, with and without"
        " balance and refinement, beside clusters, a grid and the best fixed masks. The same"
        " command resumes where it was stopped.",
        "panda benchmark parts mini-stylegan2-faces-64 --parts 4,8 --out meaning",
    )
    add_generator(verb)
    verb.add_argument(
        "--layers",
        default="",
        help="separated by commas (default: the layers nearest to 8, 16, 32 and 64 positions)",
    )
    verb.add_argument(
        "--parts", default="2,4,8,16,32", help="numbers to try (default: %(default)s)"
    )
    for name, default, words in (
        ("--samples", 300, "samples of each fit"),
        ("--n", 100, "images that parts are scored on"),
        ("--select", 50, "other images, on which parts and classes are matched"),
    ):
        verb.add_argument(
            name, type=int, default=default, metavar="N", help=f"{words} (default: %(default)s)"
        )
    add_out(verb, "where figures and a page go")
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Parse, fit and score, and write the tables and the page."""
    from panda.evaluation import parts, parts_report
    from panda.metrics.parsing import FaceParser

    generator = create_generator(options.generator, device=options.device)
    benchmark = parts.prepare(
        generator,
        options.out,
        name=options.generator,
        layers=[name for name in options.layers.split(",") if name],
        parts=parse_numbers(options.parts, "parts"),
        samples=options.samples,
        n=options.n,
        select=options.select,
    )
    parts.run(benchmark, FaceParser(options.device))
    page = parts_report.write(benchmark)
    if options.json:
        facts = parts_report.summary(benchmark, parts.scores(benchmark))
        print_json({"out": options.out, "report": page, **facts})
    else:
        say(*(options.out / "results.md").read_text(encoding="utf-8").splitlines())
    note(str(page))

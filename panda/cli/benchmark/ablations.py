"""``panda benchmark ablations``: what each choice of a factorization does."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_generator,
    add_json,
    add_layer,
    add_out,
    add_verb,
)
from panda.cli.output import print_json, say
from panda.errors import PandaError
from panda.files.ownership import check_files
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers
from panda.notes import note


def add(kinds: Verbs[Parser]) -> None:
    """Add the kind."""
    verb = add_verb(
        kinds,
        "ablations",
        run,
        "what each choice of a factorization does",
        "Vary one choice of a factorization at a time (layer, ranks, samples, solver, ...) and"
        " measure the loss on samples that no fit has seen.",
        "panda benchmark ablations mini-stylegan2-faces-64 16.conv1 --samples 50,200 --out out",
    )
    add_generator(verb)
    add_layer(verb)
    verb.add_argument(
        "--layers", default="", help="to compare, separated by commas (default: LAYER alone)"
    )
    for name, default, words in (
        ("--parts", "4,8,16", "%(default)s"),
        ("--appearances", "", "1/8, 1/2 and all of the channels"),
        ("--samples", "50,200,1000", "%(default)s"),
    ):
        verb.add_argument(name, default=default, help=f"numbers to try (default: {words})")
    verb.add_argument(
        "--held-out",
        type=int,
        default=100,
        metavar="N",
        help="samples on which the loss is measured (default: %(default)s)",
    )
    verb.add_argument(
        "--steps",
        type=int,
        default=2000,
        metavar="N",
        help="of the paper's update rule (default: %(default)s)",
    )
    add_out(verb, "where figures and a page go")
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Fit every variant, and write the figures and the page."""
    from panda.evaluation import ablations

    check_files(options.out, ablations.WHAT, ablations.FILES)
    if options.held_out < 1 or options.steps < 1:
        raise PandaError("expected at least one sample to be held out, and one step")
    generator = create_generator(options.generator, device=options.device)
    rows = ablations.ablate(
        generator,
        options.layer,
        layers=[name for name in options.layers.split(",") if name],
        parts=parse_numbers(options.parts, "parts"),
        appearances=parse_numbers(options.appearances, "appearances")
        if options.appearances
        else None,
        samples=parse_numbers(options.samples, "samples"),
        held_out=options.held_out,
        steps=options.steps,
    )
    page = ablations.write(rows, f"{options.generator} {options.layer}", options.out)
    if options.json:
        print_json({"out": options.out, "report": page, "variants": list(map(asdict, rows))})
    else:
        for row in rows:
            say(
                f"{row.choice:12} {row.value:45} loss {row.loss:.4f}  area {row.area:.3f}"
                f"  {row.cpu_seconds:7.1f} s"
            )
    note(str(page))

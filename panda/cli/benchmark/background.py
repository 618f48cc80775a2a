"""``panda benchmark background``: whether a direction acts as background."""

from __future__ import annotations

import argparse

from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_json,
    add_out,
    add_verb,
)
from panda.cli.output import print_json, say
from panda.notes import note


def add(kinds: Verbs[Parser]) -> None:
    """Add the kind."""
    verb = add_verb(
        kinds,
        "background",
        run,
        "whether a direction of factors acts as background",
        "Ask of each generator, at each depth, whether a column of A or a part's own appearance"
        " acts as background: localize it, add it, remove by it, beside baselines and over sets of"
        " fit seeds; and compare the backgrounds in images. The same command resumes where it was"
        " stopped.",
        "panda benchmark background 'mini-*' --out background",
    )
    verb.add_argument(
        "generators",
        nargs="+",
        metavar="GENERATOR",
        help="names, patterns such as 'mini-*', files; NAME@207 or NAME@0-9 for single classes",
    )
    add_out(verb, "where rows, tables and a picture go; an earlier study resumes")
    for name, default, words in (
        ("--sets", 5, "disjoint sets of seeds that factors are fitted to"),
        ("--samples", 200, "seeds of each set"),
        ("--parts", 8, "parts of each fit"),
        ("--n", 32, "other samples that directions are scored on"),
        ("--edited", 8, "of them, edited by the directions of each set"),
        ("--select", 16, "other samples that directions and layers are chosen on"),
        ("--images", 128, "samples whose backgrounds are compared in images"),
        ("--parse-size", 512, "pixels at which faces are parsed"),
    ):
        verb.add_argument(
            name, type=int, default=default, metavar="N", help=f"{words} (default: %(default)s)"
        )
    verb.add_argument(
        "--no-faces", action="store_true", help="leave out face parsing (default: parse faces)"
    )
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Measure what is not done yet, and write the rows and the tables."""
    from panda.evaluation.background import output
    from panda.evaluation.background.run import study_backgrounds
    from panda.evaluation.background.settings import BackgroundSettings

    settings = BackgroundSettings(
        sets=options.sets,
        samples=options.samples,
        parts=options.parts,
        n=options.n,
        edited=options.edited,
        selected=options.select,
        portrayed=options.images,
        faces=not options.no_faces,
        parse_size=options.parse_size,
    )
    study = study_backgrounds(options.generators, options.out, settings, device=options.device)
    page = output.write(study, options.out)
    if options.json:
        print_json({"out": options.out, "report": page, **output.to_json(study)})
    else:
        say(*page.read_text(encoding="utf-8").splitlines())
    note(f"{page}, {options.out / 'rows.csv'}")

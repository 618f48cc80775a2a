"""``panda compare``: the identical analysis of many generators, the results on one page."""

from __future__ import annotations

import argparse
from dataclasses import replace

from panda.cli.options import Parser, Verbs, add_device, add_json, add_out, add_verb
from panda.cli.output import print_json, say
from panda.generators.seeds import parse_numbers
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "compare",
        run,
        "compare generators by the identical analysis",
        "Run the identical analysis on several generators, match their parts, appearances and"
        " backgrounds, and write figures and a page. The same command resumes where it was"
        " stopped. The exit status is 1 where a generator failed.",
        "panda compare 'mini-*' --quick --out comparison",
    )
    verb.add_argument(
        "generators",
        nargs="+",
        metavar="GENERATOR",
        help="names, patterns such as 'mini-*', files; NAME@207, NAME@0-9 or NAME@blue for single"
        " classes",
    )
    add_out(verb, "where figures, pictures and pages go; an earlier comparison there resumes")
    verb.add_argument(
        "--quick",
        action="store_true",
        help="one level and fewer samples: --levels 4 --samples 200 --scored 8",
    )
    verb.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes (default: %(default)s)"
    )
    verb.add_argument(
        "--levels",
        help="sides of the image over the layer's: 16 x 16 of 64 pixels is 4 (default: 16,8,4)",
    )
    for name, letter, words in (
        ("--samples", "N", "of each fit (default: 1000)"),
        ("--sets", "N", "disjoint sets of these, for background at each depth (default: 5)"),
        ("--parts", "R_S", "of each fit (default: 8)"),
        ("--scored", "N", "samples that are measured (default: 64)"),
    ):
        verb.add_argument(name, type=int, metavar=letter, help=words)
    verb.add_argument(
        "--no-faces", action="store_true", help="leave out face parsing (default: parse faces)"
    )
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> int:
    """Compare, write the page and the figures, and print the tables; return 1 where one failed."""
    from panda.comparison import QUICK, Plan, compare
    from panda.comparison.report import write
    from panda.comparison.tables import markdown

    plan = QUICK if options.quick else Plan()
    changed = {
        name: value
        for name in ("samples", "sets", "parts", "scored")
        if (value := getattr(options, name)) is not None
    }
    if options.levels:
        changed["levels"] = tuple(parse_numbers(options.levels, "levels"))
    plan = replace(plan, faces=not options.no_faces, **changed)
    comparison = compare(
        options.generators, options.out, plan, jobs=options.jobs, device=options.device
    )
    page = write(comparison, options.out)
    if options.json:
        print_json({"out": options.out, "report": page, **comparison.to_json()})
    else:
        say(*markdown(comparison).splitlines())
    note(f"report: {page}")
    return 1 if comparison.failures else 0

"""The parser of the command line: every verb brings its own options, in its own module."""

from __future__ import annotations

from panda import __version__
from panda.cli import (
    benchmark,
    catalog,
    check,
    compare,
    convert,
    demo,
    doctor,
    edit,
    fit,
    invert,
    localize,
    naming,
    new_backend,
    parts,
    presets,
    refine,
    remove,
    retouch,
    studio,
    walk,
)
from panda.cli.options import Formatter, Parser, print_help

DESCRIPTION = "Unsupervised parts and appearances of pretrained image generators."
EPILOG = "Start with: panda demo. Each verb has its own help: panda fit --help."

VERBS = (
    *(demo, studio, catalog, fit, convert, parts, edit, remove, localize, refine, walk),
    *(invert, retouch, naming, presets, compare, benchmark, check, new_backend, doctor),
)
"""Modules of verbs, in the order in which the help lists them."""


def build_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(prog="panda", description=DESCRIPTION, epilog=EPILOG, formatter_class=Formatter)
    parser.add_argument("--version", action="version", version=f"panda {__version__}")
    parser.set_defaults(run=print_help(parser))
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for module in VERBS:
        module.add(verbs)
    return parser

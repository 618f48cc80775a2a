"""``panda benchmark``: a kind in each module."""

from __future__ import annotations

from panda.cli.benchmark import ablations, background, locality, localization, parts, removal
from panda.cli.options import Parser, Verbs, add_verb, print_help

KINDS = (locality, localization, removal, background, ablations, parts)


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb and its kinds."""
    verb = add_verb(
        verbs,
        "benchmark",
        lambda options: None,
        "measure locality, localization, removal, backgrounds and ablations",
        "Measure how local edits are, how well concepts are localized, what removing an object"
        " does, what acts as background, and what each choice of a factorization does.",
        "panda benchmark localization faces --n 100",
    )
    verb.set_defaults(run=print_help(verb))
    kinds = verb.add_subparsers(dest="kind", metavar="KIND", title="kinds")
    for kind in KINDS:
        kind.add(kinds)

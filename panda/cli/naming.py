"""``panda name`` and ``panda discover``: what parts and appearances are, and which does what."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_factors,
    add_json,
    add_verb,
    existing_factors,
    finite,
)
from panda.cli.output import print_json, say
from panda.generators.seeds import parse_numbers
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verbs."""
    verb = add_verb(
        verbs,
        "name",
        run_name,
        "name parts and appearances by what they cover and change",
        "Name each part by what it covers and its appearances by what they change in it, and write"
        " the names into the folder of factors. Afterwards edits may name parts: hair:p0:4sd."
        " Appearances with a visible, stable and clean effect come first; those that break the"
        " picture are marked and come last.",
        "panda name faces\npanda edit faces --edit hair:p0:4sd --out edited",
    )
    add_factors(verb)
    verb.add_argument("--seeds", default="0-19", help="samples to look at (default: %(default)s)")
    verb.add_argument(
        "--appearances",
        type=int,
        default=4,
        metavar="N",
        help="how many of each part to name: p0, p1, ... (default: %(default)s)",
    )
    verb.add_argument(
        "--strength",
        type=finite,
        default=4.0,
        metavar="SD",
        help="at which to look at them, in standard deviations (default: %(default)s)",
    )
    verb.add_argument(
        "--no-faces",
        action="store_true",
        help="name by place and color (default: by regions of the face)",
    )
    add_device(verb)
    add_json(verb)

    verb = add_verb(
        verbs,
        "discover",
        run_discover,
        "find edits that do what is wanted",
        "Rank the edits of named factors by how far and how purely they move what is wanted, such"
        " as 'open mouth', 'big eyes', 'smile' or 'darker', inside their part; those of unstable"
        " parts and axes come after all others, and those that break the picture last.",
        "panda discover 'open mouth' faces",
    )
    verb.add_argument("wanted", metavar="WORDS", help="what an edit shall do, such as 'big eyes'")
    verb.add_argument(
        "factors",
        metavar="FACTORS",
        type=existing_factors,
        nargs="+",
        help="folders that panda name has named",
    )
    verb.add_argument(
        "--top", type=int, default=10, metavar="N", help="how many to print (default: %(default)s)"
    )
    add_json(verb)


def run_name(options: argparse.Namespace) -> None:
    """Name the factors' parts and appearances, and write the names into their folder."""
    from panda.cli.rendering import generator_of
    from panda.factorization.factors import Factors
    from panda.factorization.stability import UNSTABLE
    from panda.metrics.parsing import FaceParser
    from panda.naming.impact import BROKEN
    from panda.naming.names import name_factors
    from panda.naming.saved import is_unstable, names_of

    seeds = parse_numbers(options.seeds)
    factors = Factors.load(options.factors)
    Factors.check_folder(options.factors)
    generator = generator_of(factors, options)
    parse = None if options.no_faces else FaceParser(options.device)
    named = name_factors(
        generator,
        factors,
        parse,
        seeds=seeds,
        appearances=options.appearances,
        strength=options.strength,
    )
    named.save(options.factors)
    names = names_of(named)
    if options.json:
        print_json({"out": options.factors, **names})
        return
    for part in named.stable_parts:
        facts = names["parts"][part]
        say(f"part {part}: {facts['name']}{UNSTABLE if part in named.unstable_parts else ''}")
        for edit in facts["edits"]:
            mark = UNSTABLE if is_unstable(named, edit["edit"]) else ""
            mark += BROKEN if edit["broken"] else ""
            say(f"  {edit['edit']:12}  {edit['name']}{mark}")


def run_discover(options: argparse.Namespace) -> None:
    """Rank the edits of named factors by how they move what is wanted."""
    from panda.factorization.factors import Factors
    from panda.factorization.stability import UNSTABLE
    from panda.naming.discover import discover
    from panda.naming.impact import BROKEN

    candidates = discover(options.wanted, [Factors.load(folder) for folder in options.factors])
    if options.json:
        edits = [asdict(candidate) for candidate in candidates]
        print_json({"wanted": options.wanted, "edits": edits})
        return
    for candidate in candidates[: options.top]:
        say(
            f"{candidate.layer:10} {candidate.edit:12} {candidate.effect:+.2f} sd,"
            f" {100 * candidate.purity:.0f} % of its effects; part: {candidate.part};"
            f" also {candidate.others}{'' if candidate.stable else UNSTABLE}"
            f"{BROKEN if candidate.broken else ''}"
        )
    if not candidates:
        note(f"no edit of these factors moves {options.wanted!r}")

"""``panda name`` and ``panda discover``: what parts and appearances are, and which does what."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from panda.factorization.factors import Factors
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers
from panda.metrics.parsing import FaceParser
from panda.naming.discover import discover as find
from panda.naming.names import name_factors, names_of


def name(options: argparse.Namespace) -> None:
    """Name the factors' parts and appearances, and write the names into their folder."""
    seeds = parse_numbers(options.seeds)
    factors = Factors.load(options.factors)
    Factors.check_folder(options.factors)
    generator = create_generator(factors.generator, device=options.device)
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
        print(json.dumps(names, indent=1))
        return
    for part, facts in enumerate(names["parts"]):
        print(f"part {part}: {facts['name']}")
        for edit in facts["edits"]:
            print(f"  {edit['edit']:12}  {edit['name']}")


def discover(options: argparse.Namespace) -> None:
    """Rank the edits of named factors by how they move what is wanted."""
    found = find(options.wanted, [Factors.load(folder) for folder in options.factors])
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
        return
    for one in found[: options.top]:
        print(
            f"{one.layer:10} {one.edit:12} {one.effect:+.2f} sd, {100 * one.purity:.0f} % of its"
            f" effects; part: {one.part}; also {one.others}"
        )
    if not found:
        print(f"no edit of these factors moves {options.wanted!r}", file=sys.stderr)

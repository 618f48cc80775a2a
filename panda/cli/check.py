"""``panda check``: a generator against the contract."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict

from panda.cli.options import Parser, Verbs, add_device, add_generator, add_json, add_verb
from panda.cli.output import print_json, say
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "check",
        run,
        "test a generator against the contract",
        "Test whether a generator does what the contract asks of a backend, and print how each"
        " check went. The exit status is 1 where one failed.",
        "panda check mini-proggan-faces-64",
    )
    add_generator(verb)
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> int:
    """Run every check and print how each went; return 1 where one failed."""
    from panda.testing.trial import Trial, checks_of

    trial = Trial(options.generator, options.device)
    _ = trial.generator  # what cannot be loaded is wrong use, not a failed check
    names = checks_of(options.generator)
    width = max(map(len, names))
    results = []
    for name in names:
        result = trial.result(name)
        results.append(result)
        if not options.json:
            say(f"{result.status:8} {name:{width}}  {result.text}")
    counts = Counter(result.status for result in results)
    if options.json:
        checks = [asdict(result) for result in results]
        print_json({"generator": options.generator, "counts": counts, "checks": checks})
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    note(f"{options.generator}: {summary}")
    return 1 if counts["failed"] else 0

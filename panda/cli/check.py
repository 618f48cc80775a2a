"""``panda check``: a generator against the contract."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from panda.cli.options import Parser, Verbs, add_device, add_generator, add_json, add_verb
from panda.cli.output import print_json, say
from panda.notes import note

if TYPE_CHECKING:
    from panda.testing.trial import Trial

LONG = 10.0
"""Seconds: of a check that takes longer, the time is estimated before it starts."""


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "check",
        run,
        "test a generator against the contract",
        "Test whether a generator does what the contract asks of a backend, and print how each"
        " check went. The exit status is 1 where one failed.",
        """
panda check mini-proggan-faces-64
panda check mini-stylegan2-faces-64 --layers 8.conv1,64.conv1
panda check mini-stylegan3-faces-64 --quick
""",
    )
    add_generator(verb)
    verb.add_argument(
        "--layers",
        type=lambda text: tuple(filter(None, text.split(","))),
        metavar="A,B",
        help="check these layers alone (default: all)",
    )
    verb.add_argument(
        "--quick",
        action="store_true",
        help="check the first, the middle and the last layer alone, for generators that take long"
        " (default: all layers, or those of --layers)",
    )
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> int:
    """Run every check and print how each went; return 1 where one failed."""
    from panda.testing.trial import Trial, checks_of

    trial = Trial(options.generator, options.device, layers=options.layers, quick=options.quick)
    _ = trial.generator  # what cannot be loaded is wrong use, not a failed check
    names = checks_of(options.generator)
    width = max(map(len, names))
    results = []
    _note_cost(trial)
    for name in names:
        result = trial.result(name)
        results.append(result)
        if not options.json:
            say(f"{result.status:8} {name:{width}}  {result.text}")
    counts = Counter(result.status for result in results)
    if options.json:
        checks = [asdict(result) for result in results]
        print_json(
            {
                "generator": options.generator,
                "layers": trial.chosen,
                "counts": counts,
                "checks": checks,
            }
        )
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    known = len(trial.generator.layers)
    part = f" (at {len(trial.chosen)} of {known} layers)" if len(trial.chosen) < known else ""
    note(f"{options.generator}: {summary}{part}")
    return 1 if counts["failed"] else 0


def _note_cost(trial: Trial) -> None:
    """Say how long it will take, if that is long, and what takes less."""
    from panda.testing.cost import estimate

    if (seconds := estimate(trial)) < LONG:
        return
    count = len(trial.chosen)
    span = f"{seconds / 60:.0f} minutes" if seconds > 100 else f"{seconds:.0f} seconds"
    less = "; --quick checks three of them, --layers A,B those that you name" if count > 3 else ""
    note(f"{trial.subject}: about {span} for {count} layer{'s' * (count > 1)}{less}")

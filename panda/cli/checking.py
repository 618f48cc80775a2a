"""``panda check``: a generator against the contract."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict

from panda.testing.trial import Trial, checks_of


def check(options: argparse.Namespace) -> int:
    """Run every check and tell how each went; 1 where one failed."""
    trial = Trial(options.generator, options.device)
    _ = trial.generator  # what cannot be loaded is wrong use, not a failed check
    names = checks_of(options.generator)
    width = max(map(len, names))
    results = []
    for name in names:
        result = trial.result(name)
        results.append(result)
        if not options.json:
            print(f"{result.status:8} {name:{width}}  {result.text}", flush=True)
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    counts = Counter(result.status for result in results)
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    print(f"{options.generator}: {said}", file=sys.stderr)
    return 1 if counts["failed"] else 0

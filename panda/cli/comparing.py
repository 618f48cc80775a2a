"""``panda compare``: the same questions to many generators, the answers on one page."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from panda.comparison import QUICK, Plan, compare
from panda.comparison.report import write
from panda.comparison.tables import markdown


def run(options: argparse.Namespace) -> int:
    """Compare, write the page and the figures, and print the tables; 1 where one failed."""
    plan = QUICK if options.quick else Plan()
    changed = {
        name: value
        for name in ("samples", "parts", "scored")
        if (value := getattr(options, name)) is not None
    }
    if options.levels:
        changed["levels"] = options.levels
    plan = replace(plan, faces=not options.no_faces, **changed)
    found = compare(options.generators, options.out, plan, jobs=options.jobs, device=options.device)
    page = write(found, options.out)
    if options.json:
        print((options.out / "results.json").read_text(), end="")
    else:
        print(markdown(found), end="")
    print(f"open {page}", file=sys.stderr)
    return 1 if found.failures else 0

"""``panda demo``: everything once, and a report to look at."""

from __future__ import annotations

import argparse

from panda import demo as demonstration


def demo(options: argparse.Namespace) -> None:
    """Run the demo and close with what was done and where it is."""
    result = demonstration.run(
        options.generator, options.out, quick=options.quick, device=options.device
    )
    for factors in result.factors:
        seconds = factors.config["seconds"]
        print(
            f"{factors.layer.name}: {factors.parts.shape[1]} parts, loss {factors.loss:.4f} of the"
            f" energy, {seconds['sampling']:.1f} s sampling, {seconds['solving']:.1f} s solving"
        )
    print(f"all in {sum(result.seconds.values()):.0f} s; open {result.report}")

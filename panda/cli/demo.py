"""``panda demo``: every ability of the method, and a report to look at."""

from __future__ import annotations

import argparse

from panda.cli.options import Parser, Verbs, add_device, add_json, add_out, add_verb
from panda.cli.output import print_json, say
from panda.errors import PandaError
from panda.generators.registry import find_card
from panda.notes import note

FACES = "mobilestylegan-ffhq-1024"
EMBEDDED = "mini-stylegan2-faces-64"
"""Comes with the package, for machines without a network connection."""


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "demo",
        run,
        "fit, edit, localize and remove; write one HTML report",
        "Fit two layers of a generator, edit, localize, remove and refine, and write one HTML"
        " report with pictures, figures and timings. It takes about two minutes on two CPU cores.",
        "panda demo --quick",
    )
    verb.add_argument(
        "--generator",
        help=f"a name (panda list) or a file (default: {FACES}, or {EMBEDDED} offline)",
    )
    verb.add_argument(
        "--quick", action="store_true", help="fewer samples and pictures, about a minute"
    )
    add_out(verb, "where the report and the factors go", "panda-demo")
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Run the demo and print what was done and where it is."""
    from panda.demo import run as demonstration

    name = options.generator or _faces()
    result = demonstration.run(name, options.out, quick=options.quick, device=options.device)
    if options.json:
        layers = [
            {
                "folder": options.out / factors.layer.name,
                "layer": factors.layer.name,
                "parts": factors.parts.shape[1],
                "loss": factors.loss,
                "seconds": factors.config["seconds"],
            }
            for factors in result.factors
        ]
        print_json(
            {
                "generator": name,
                "report": result.report,
                "overview": options.out / "overview.png",
                "factors": layers,
                "seconds": result.seconds,
            }
        )
        return
    for factors in result.factors:
        seconds = factors.config["seconds"]
        say(
            f"{factors.layer.name}: {factors.parts.shape[1]} parts, loss {factors.loss:.4f} of the"
            f" energy, {seconds['sampling']:.1f} s sampling, {seconds['solving']:.1f} s solving"
        )
    say(f"all in {sum(result.seconds.values()):.0f} s; report: {result.report}")


def _faces() -> str:
    """Return the face generator whose weights are cached or can be fetched, or the small one."""
    weights = find_card(FACES).weights
    try:
        if weights is not None:
            weights.fetch()
        return FACES
    except PandaError as error:
        note(f"note: {error}")
        note(f"note: the demo uses {EMBEDDED} instead")
        return EMBEDDED

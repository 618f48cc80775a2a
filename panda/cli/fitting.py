"""``panda fit`` and ``panda import``: make factors."""

from __future__ import annotations

import argparse
import json
import sys

from panda import factorize
from panda.factors import Factors
from panda.registry import create_generator
from panda.seeds import parse_numbers


def fit(options: argparse.Namespace) -> None:
    """Fit factors and save them."""
    seeds = parse_numbers(options.seeds)
    Factors.check_folder(options.out)
    generator = create_generator(options.generator, device=options.device)
    factors = factorize.fit(
        generator,
        options.layer,
        parts=options.parts,
        appearances=options.appearances,
        seeds=seeds,
        truncation=options.truncation,
        label=options.label,
        solver=options.solver,
        learning_rate=options.learning_rate,
        steps=options.steps,
    )
    factors.save(options.out)
    seconds = factors.config["seconds"]
    print(
        f"loss {factors.loss:.4f} of the energy, {seconds['sampling']:.1f} s sampling,"
        f" {seconds['solving']:.1f} s solving: {options.out}",
        file=sys.stderr,
    )
    if options.json:
        print((options.out / "config.json").read_text(), end="")


def import_released(options: argparse.Namespace) -> None:
    """Read the released code's factor files and save them as factors of ours."""
    Factors.check_folder(options.out)
    generator = create_generator(options.generator, device=options.device)
    factors = factorize.import_released(
        generator, options.layer, options.appearances, options.parts
    )
    factors.save(options.out)
    print(f"{options.out}: {json.dumps(factors.config['solver'])}", file=sys.stderr)

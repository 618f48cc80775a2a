"""``panda fit`` and ``panda import``: make factors."""

from __future__ import annotations

import argparse
import json
import sys

from panda import factorize
from panda.errors import PandaError
from panda.registry import create_generator
from panda.seeds import parse_numbers


def fit(options: argparse.Namespace) -> None:
    """Fit factors and save them."""
    seeds = parse_numbers(options.seeds)
    _check_out(options)
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
    _check_out(options)
    generator = create_generator(options.generator, device=options.device)
    factors = factorize.import_released(
        generator, options.layer, options.appearances, options.parts
    )
    factors.save(options.out)
    print(f"{options.out}: {json.dumps(factors.config['solver'])}", file=sys.stderr)


def _check_out(options: argparse.Namespace) -> None:
    """Refuse a target that would be refused after the work."""
    out = options.out
    if out.is_file() or (
        out.is_dir() and any(out.iterdir()) and not (out / "config.json").exists()
    ):
        raise PandaError(f"{out} exists and holds no factors; choose another folder")

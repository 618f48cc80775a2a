"""``panda fit`` and ``panda import``: make factors."""

from __future__ import annotations

import argparse
import json
import sys

from panda.factorization import fit as factorize
from panda.factorization import processes
from panda.factorization.factors import Factors
from panda.factorization.journal import forget
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers


def fit(options: argparse.Namespace) -> None:
    """Fit factors and save them; under torchrun, one of the processes that do so together."""
    with processes.process_group(options.device) as device:
        _fit(options, device)


def _fit(options: argparse.Namespace, device: str) -> None:
    seeds = parse_numbers(options.seeds)
    if processes.rank() == 0:
        Factors.check_folder(options.out)
    generator = create_generator(options.generator, device=device)
    resume = options.out.with_name(f".{options.out.name}.fit")
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
        resume=resume,
    )
    if processes.rank() == 0:
        factors.save(options.out)
        seconds = factors.config["seconds"]
        print(
            f"loss {factors.loss:.4f} of the energy, {seconds['sampling']:.1f} s sampling,"
            f" {seconds['solving']:.1f} s solving: {options.out}",
            file=sys.stderr,
        )
        if options.json:
            print((options.out / "config.json").read_text(), end="")
    forget(resume)


def import_released(options: argparse.Namespace) -> None:
    """Read the released code's factor files and save them as factors of ours."""
    Factors.check_folder(options.out)
    generator = create_generator(options.generator, device=options.device)
    factors = factorize.import_released(
        generator, options.layer, options.appearances, options.parts
    )
    factors.save(options.out)
    print(f"{options.out}: {json.dumps(factors.config['solver'])}", file=sys.stderr)

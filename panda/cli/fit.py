"""``panda fit`` and ``panda import``: make factors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_generator,
    add_json,
    add_label,
    add_layer,
    add_out,
    add_truncation,
    add_verb,
    existing,
    finite,
    label_of,
)
from panda.cli.output import print_json
from panda.files.in_place import no_link
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers
from panda.notes import note

if TYPE_CHECKING:
    from panda.factorization.factors import Factors

SOLVERS, BORDERS = ("joint", "paper"), ("corners", "top", "sides", "none")
"""Those of `panda.factorization`, without importing torch."""


def add(verbs: Verbs[Parser]) -> None:
    """Add the verbs."""
    verb = add_verb(
        verbs,
        "fit",
        run_fit,
        "factorize a layer's features into parts and appearances",
        "Factorize the features of a layer into parts (where) and appearances (what), and save"
        " these factors as a folder. A fit that was stopped resumes.",
        "panda fit mini-stylegan2-faces-64 16.conv1 --parts 6 --seeds 0-199 --out faces",
    )
    add_generator(verb)
    add_layer(verb)
    verb.add_argument(
        "--parts",
        type=_rank,
        default=8,
        metavar="R_S",
        help="number of parts, R_S; or auto: of 2 to 16, a number that two halves of the samples"
        " agree on, at the knee of the loss (default: %(default)s)",
    )
    verb.add_argument(
        "--appearances",
        type=_rank,
        metavar="R_C",
        help="number of appearances, R_C; or auto: a number on whose span two halves of the samples"
        " agree, at the knee of the loss (default: one per channel)",
    )
    verb.add_argument(
        "--seeds",
        default="0-999",
        help="such as 0-999 or 3,5,10-20; 30 is the one seed 30 (default: %(default)s)",
    )
    add_truncation(verb, 1.0, "1, which fits to all that the generator makes")
    add_label(verb)
    verb.add_argument(
        "--solver",
        choices=SOLVERS,
        default="joint",
        help="joint has no settings; paper is the released update rule (default: %(default)s)",
    )
    verb.add_argument(
        "--learning-rate",
        type=finite,
        default=1e-6,
        metavar="RATE",
        help="of the solver paper (default: %(default)s)",
    )
    verb.add_argument(
        "--steps",
        type=int,
        default=10_000,
        metavar="N",
        help="of the solver paper (default: %(default)s)",
    )
    verb.add_argument(
        "--keep-artifacts",
        action="store_true",
        help="find parts in the features as they are, even where a few positions vary so much that"
        " parts become specks",
    )
    verb.add_argument(
        "--border",
        choices=BORDERS,
        default=BORDERS[0],
        help="where background meets the border of the images: at the top and the upper sides"
        " (corners), at the top, on all sides, or nowhere (default: %(default)s)",
    )
    add_out(verb, "where the factors go")
    add_device(verb)
    add_json(verb)

    verb = add_verb(
        verbs,
        "import",
        run_import,
        "import factors (.npy) of the released PandA code",
        "Read the two factor files of the released PandA code and save them as a folder of factors"
        " that all other verbs take.",
        "panda import stylegan2-ffhq-1024 16.conv1 --appearances Uc.npy --parts Us.npy"
        " --out layer5",
    )
    add_generator(verb)
    add_layer(verb)
    for name, file, words in (
        ("--appearances", "Uc.npy", "the channel factors, [C, R_C]"),
        ("--parts", "Us.npy", "the spatial factors, [H * W, R_S]"),
    ):
        verb.add_argument(name, type=existing, required=True, metavar=file, help=words)
    add_out(verb, "where the factors go")
    add_device(verb)
    add_json(verb)


def _rank(text: str) -> int | str:
    """Read a number of parts or appearances, or ``"auto"``."""
    return text if text == "auto" else int(text)


_rank.__name__ = "int or auto"  # in the parser's sentences


def run_fit(options: argparse.Namespace) -> None:
    """Fit factors and save them; under torchrun, together with the other processes."""
    from panda.factorization import processes

    journal = no_link(options.out.parent / f".{options.out.name}.fit")  # `with_name` refuses "/"
    try:
        with processes.process_group(options.device) as device:
            _fit(options, device, journal)
    except KeyboardInterrupt:
        if not journal.exists():
            raise
        raise KeyboardInterrupt(f"the same command resumes the fit from {journal}") from None


def _fit(options: argparse.Namespace, device: str, journal: Path) -> None:
    from panda.factorization import processes
    from panda.factorization.factors import Factors
    from panda.factorization.fit import fit
    from panda.factorization.journal import forget

    seeds = parse_numbers(options.seeds)
    if processes.rank() == 0:
        Factors.check_folder(options.out)
        if len(seeds) == 1:
            _note_single(seeds[0])
    generator = create_generator(options.generator, device=device)
    factors = fit(
        generator,
        options.layer,
        parts=options.parts,
        appearances=options.appearances,
        seeds=seeds,
        truncation=options.truncation,
        label=label_of(options),
        solver=options.solver,
        learning_rate=options.learning_rate,
        steps=options.steps,
        keep_artifacts=options.keep_artifacts,
        border=options.border,
        resume=journal,
    )
    if processes.rank() == 0:
        factors.save(options.out)
        seconds = factors.config["seconds"]
        note(
            f"loss {factors.loss:.4f} of the energy, {seconds['sampling']:.1f} s sampling,"
            f" {seconds['solving']:.1f} s solving: {options.out}"
        )
        if options.json:
            _print_factors(factors, options.out)
    forget(journal)


def _note_single(seed: int) -> None:
    """Say that one sample is fitted: ``--seeds 30`` is often meant as 30 seeds."""
    more = f"; for {seed} samples give --seeds 0-{seed - 1}" if seed > 1 else ""
    note(f"1 sample is fitted, seed {seed}{more}")


def run_import(options: argparse.Namespace) -> None:
    """Read the released code's factor files and save them as a folder of factors."""
    from panda.factorization.factors import Factors
    from panda.factorization.fit import import_released

    Factors.check_folder(options.out)
    generator = create_generator(options.generator, device=options.device)
    factors = import_released(generator, options.layer, options.appearances, options.parts)
    factors.save(options.out)
    note(f"{options.out}: {json.dumps(factors.config['solver'])}")
    if options.json:
        _print_factors(factors, options.out)


def _print_factors(factors: Factors, folder: Path) -> None:
    """Print where factors are, their loss, and all that their config.json says."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    print_json({"out": folder, "loss": factors.loss, **config})

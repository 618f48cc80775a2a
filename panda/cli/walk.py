"""``panda walk``: films and sheets of images on the way between samples, photographs and edits."""

from __future__ import annotations

import argparse
from pathlib import Path

from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_factors,
    add_json,
    add_label,
    add_truncation,
    add_verb,
    factors_or_generator,
    finite,
    label_of,
)
from panda.cli.output import print_json
from panda.errors import PandaError
from panda.generators.registry import create_generator
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "walk",
        run,
        "make a film between seeds, photographs and edits",
        "Go from stop to stop, and with edits from strength to strength, and write a film, a sheet"
        " of pictures or a folder of frames.",
        "panda walk mini-stylegan2-faces-64 3 7 12 --loop --out walk.webp\n"
        "panda walk faces me/photo0 --edit hair:p0:-4..4sd --frames 7 --out strengths.png\n"
        "panda walk mini-stylegan2-faces-64 me/photo0 7 --frames 48 --out frames",
    )
    add_factors(
        verb,
        type=factors_or_generator,
        help="a generator, or a folder written by panda fit, where edits count its parts; an edit"
        " by name needs no folder",
    )
    verb.add_argument(
        "stops",
        nargs="+",
        metavar="STOP",
        help="a seed such as 7, or several as 0-3; or FOLDER/photo0 for a photograph of panda"
        " invert. With one stop, an edit moves",
    )
    verb.add_argument(
        "--edit",
        action="append",
        default=[],
        metavar="EDIT",
        help="as panda edit takes it, with one strength or several: smile:2, smile:-1..2,"
        " 0:p0:0..4..0sd, all:me/photo0:0..1 go through them while the walk goes through its stops."
        " May be given several times (default: none)",
    )
    verb.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="in all (default: 24 from each stop or strength to the next)",
    )
    verb.add_argument(
        "--loop", action="store_true", help="lead back to the first stop (default: end at the last)"
    )
    verb.add_argument(
        "--easing",
        choices=("smooth", "linear"),
        help="smooth: slowly away from a stop and slowly to the next; linear: always as fast"
        " (default: smooth; linear for a sheet)",
    )
    verb.add_argument(
        "--fps",
        type=finite,
        default=24.0,
        metavar="N",
        help="frames a second of a film (default: 24)",
    )
    add_truncation(verb, None, "the generator's usual one, mostly 0.7")
    add_label(verb)
    verb.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="walk.mp4 (needs 'panda-parts[video]'), walk.webp or walk.gif; walk.png for a sheet"
        " of pictures; a name without a suffix for a folder of PNGs, where a walk that was"
        " interrupted goes on",
    )
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Make the frames one by one, and write them."""
    from panda.cli.rendering import generator_of
    from panda.factorization.factors import Factors
    from panda.walks import walk
    from panda.walks.output import check_output, write_walk

    check_output(options.out, options.fps)
    if isinstance(options.factors, Path):
        factors = Factors.load(options.factors)
        generator = generator_of(factors, options)
    elif options.generator is not None:
        raise PandaError("--generator is for a folder of factors, but a generator was given")
    else:
        factors, generator = None, create_generator(options.factors, device=options.device)
    is_sheet = options.out.suffix.lower() == ".png"
    given = label_of(options)
    frames = walk(
        generator,
        options.stops,
        frames=options.frames,
        edits=options.edit,
        factors=factors,
        loop=options.loop,
        easing=options.easing or ("linear" if is_sheet else "smooth"),
        truncation=options.truncation,
        label=factors.label if given is None and factors is not None else given,
    )
    kept = write_walk(frames, options.out, options.fps)
    note(f"{options.out} ({len(frames)} frames" + (f", {kept} of them kept)" if kept else ")"))
    if options.json:
        print_json({"out": options.out, "kept": kept, "fps": options.fps, **frames.settings})

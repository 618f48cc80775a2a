"""``panda invert``: latents of a generator for photographs."""

from __future__ import annotations

import argparse
import json

from panda.cli.options import (
    GENERATOR,
    Parser,
    Verbs,
    add_device,
    add_json,
    add_label,
    add_out,
    add_verb,
    existing,
    label_of,
)
from panda.cli.output import print_json
from panda.generators.registry import create_generator
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "invert",
        run,
        "find latents of photographs, to edit them like samples",
        "Align photographs to where the generator's faces are, search the latents whose images are"
        " most like them, and save both. Verbs that draw samples take the folder as --latents.",
        "panda invert photo.jpg --generator mini-stylegan2-faces-64 --out me\n"
        "panda edit faces --edit 0:p0:4sd --latents me --out edited",
    )
    verb.add_argument(
        "photographs", type=existing, nargs="+", metavar="PHOTO", help="JPEG, PNG or other pictures"
    )
    verb.add_argument("--generator", required=True, help=GENERATOR)
    add_out(verb, "where latents, reconstructions and a sheet of pictures go")
    verb.add_argument(
        "--space",
        choices=("features", "w", "w+", "z"),
        help="where to search; features: latents (w+, else z), then the features of a layer"
        " (default: features)",
    )
    verb.add_argument(
        "--layer",
        help="whose features are searched (default: that of edits, with 32 positions from top to"
        " bottom, or a quarter of the image's height)",
    )
    verb.add_argument(
        "--steps", type=int, default=100, metavar="N", help="for each photograph (default: 100)"
    )
    verb.add_argument(
        "--align",
        choices=("auto", "always", "never"),
        default="auto",
        help="always: bring a face to where the generator's are; never: take the middle square;"
        " auto: always for generators of faces (default: auto)",
    )
    verb.add_argument(
        "--face",
        type=face_choice,
        default="largest",
        metavar="WHICH",
        help="of a photograph with several faces the largest, all (each by itself), or 1, 2, ..."
        " counted from the left (default: largest)",
    )
    add_label(verb)
    verb.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the samples that the search starts from (default: 0)",
    )
    add_device(verb)
    add_json(verb)


def face_choice(text: str) -> str | int:
    """Read which faces are meant."""
    if text in ("largest", "all"):
        return text
    if text.isdecimal() and text.isascii() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r:.40} is none of largest, all, 1, 2, ...")


def run(options: argparse.Namespace) -> None:
    """Read and align the photographs, search their latents, and save them."""
    from panda.inversion import Inversion, invert
    from panda.inversion.plan import Plan
    from panda.photographs.photograph import Photograph

    Inversion.check_folder(options.out)
    photographs = [Photograph.read(path) for path in options.photographs]
    generator = create_generator(options.generator, device=options.device)
    Plan.of(generator, options.space, options.layer, options.steps)
    inversion = invert(
        generator,
        photographs,
        align=options.align,
        face=options.face,
        space=options.space,
        layer=options.layer,
        steps=options.steps,
        label=label_of(options),
        seed=options.seed,
        keep=True,
    )
    inversion.save(options.out)
    for name, lpips, pixels in zip(inversion.names, inversion.lpips, inversion.pixels, strict=True):
        note(f"{name}: LPIPS {lpips:.3f}, pixels {pixels:.3f}")
    sheet = options.out / "sheet.png"
    note(
        f"{sheet} (columns: picture, reconstruction, difference;"
        f" {inversion.config['seconds']:.0f} s)"
    )
    if options.json:
        config = json.loads((options.out / "config.json").read_text(encoding="utf-8"))
        print_json({"out": options.out, "sheet": sheet, **config})

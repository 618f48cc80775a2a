"""``panda retouch``: a photograph with an edit by name, in one command."""

from __future__ import annotations

import argparse
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from panda.cli.invert import face_choice
from panda.cli.options import (
    GENERATOR,
    Parser,
    Verbs,
    add_device,
    add_json,
    add_verb,
    existing,
    finite,
)
from panda.cli.output import print_json
from panda.errors import PandaError
from panda.files.cache import home
from panda.notes import note

FAR = 0.05
"""LPIPS beyond that of all inversions with the usual steps in docs/inversion.md (at most 0.03)."""

if TYPE_CHECKING:
    from panda.editing.edits import Edit
    from panda.factorization.factors import Factors


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "retouch",
        run,
        "edit a face in a photograph, in one command",
        "Find latents and features of the face, edit them, and put the edited face back into the"
        " photograph at its full size: panda invert, panda edit and --paste in one. What is found"
        " is kept in the cache, so that further edits of the same photograph take seconds.",
        "panda retouch photo.jpg --edit smile\n"
        "panda retouch photo.jpg --edit smile --edit light_hair --strength 0.7 --out new.png",
    )
    verb.add_argument("photograph", type=existing, metavar="PHOTO", help="a JPEG, PNG, WebP, ...")
    verb.add_argument(
        "--edit",
        action="append",
        required=True,
        metavar="NAME",
        help="the name of an edit (panda edits), FILE.json or FILE.json:NAME; smile:2 is twice as"
        " strong. May be given several times",
    )
    verb.add_argument(
        "--strength",
        type=finite,
        default=1.0,
        metavar="TIMES",
        help="how many times their own strength the edits have (default: 1)",
    )
    verb.add_argument(
        "--generator",
        help=f"{GENERATOR} (default: of those that have an edit of this name, the one with the"
        " largest images)",
    )
    verb.add_argument(
        "--face",
        type=face_choice,
        default="largest",
        metavar="WHICH",
        help="of several faces the largest, all, or 1, 2, ... from the left (default: largest)",
    )
    verb.add_argument(
        "--steps", type=int, default=100, metavar="N", help="of the search (default: 100)"
    )
    verb.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a file, by whose name's end the kind is chosen; only what panda wrote is replaced"
        " (default: PHOTO-retouched beside the photograph)",
    )
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Invert the photograph, edit it, and paste the result."""
    from panda.files.writing import check_target
    from panda.photographs.originals import check_pasting, kind_of, suffix_of
    from panda.photographs.photograph import Photograph

    photograph: Path = options.photograph
    read = Photograph.read(photograph)
    out = options.out
    if out is None:
        out = photograph.with_name(f"{photograph.stem}-retouched{suffix_of(photograph)}")
    kind_of(out)
    _check_free(out, photograph)
    check_target(out)
    check_pasting(photograph, out)

    from panda.editing.apply import edit_images
    from panda.editing.named import factors_of, find_named
    from panda.editing.syntax import NAMED
    from panda.generators.registry import create_generator
    from panda.inversion import invert
    from panda.inversion.pasting import Pasting

    text = options.edit[0]
    match = NAMED.fullmatch(text)
    name = match["name"] if match else text
    name, named = find_named(name, options.generator or _largest(name))
    generator = create_generator(options.generator or named.generator, device=options.device)
    factors = factors_of(name, named, generator)
    edits = [
        replace(edit, strength=options.strength * edit.strength)
        for each in options.edit
        for edit in _find(each, factors)
    ]
    inversion = invert(
        generator, read, align="always", face=options.face, steps=options.steps, keep=True
    )
    strength = "" if options.strength == 1 else f" x {options.strength:g}"
    record = {"edits": "; ".join(options.edit) + strength}
    pasting = Pasting(inversion, record, out.suffix.lower().removeprefix("."))
    for row in range(len(inversion)):
        latents = inversion.latents_for(generator)[row : row + 1]
        before = generator.forward(latents)[0]
        after = edit_images(generator, factors, latents, edits)[0]
        if pasted := pasting.add(row, before, after):
            mark = _mark(pasted.save(out))
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
    lpips = ", ".join(f"{value:.3f}" for value in inversion.lpips)
    note(f"{out} (reconstruction: LPIPS {lpips})")
    if max(inversion.lpips) > FAR:
        note(
            f"the reconstruction is far from the photograph (LPIPS above {FAR:g}), and the edit may"
            " smear; give more --steps, or a generator of larger images"
        )
    if options.json:
        print_json(
            {
                "out": out,
                "generator": generator.name,
                "edits": [str(edit) for edit in edits],
                "lpips": inversion.lpips,
                "photographs": inversion.config["photographs"],
            }
        )


def _largest(name: str) -> str:
    """Return the generator with the largest images that has an edit of a name; or no name."""
    from panda.editing.edit_files import zoos
    from panda.generators.registry import cards

    known = cards()
    usable = [
        zoo[name].generator
        for zoo in zoos()
        if name in zoo and zoo[name].seeds and zoo[name].generator in known
    ]
    return max(usable, key=lambda each: max(known[each].size), default="")


def _find(text: str, factors: Factors) -> list[Edit]:
    """Return the edits of a name; raise `PandaError` for one that is none."""
    from panda.editing.edits import find_edits
    from panda.editing.syntax import TEXT

    if TEXT.fullmatch(text.strip()):
        raise PandaError(f"{text!r:.60} is an edit of factors, expected the name of an edit")
    return find_edits(text, factors)


def _check_free(out: Path, photograph: Path) -> None:
    """Raise `PandaError` where the result would replace what panda did not write."""
    if not os.path.lexists(out):
        return
    if out.is_file() and not out.samefile(photograph) and _mark(out).exists():
        return
    raise PandaError(
        f"{out} is there already, and panda did not write it, or it has changed since; give another"
        " --out"
    )


def _mark(written: Path) -> Path:
    """Return the empty file in the cache by which panda knows again what it has written.

    Metadata do not say it: programs in which somebody edits the result further keep them.
    """
    with written.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return home() / "retouched" / digest

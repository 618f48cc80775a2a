"""``panda edit``: local edits of samples and photographs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from panda.cli.options import (
    Parser,
    Verbs,
    add_drawing,
    add_factors,
    add_refine,
    add_skip,
    add_verb,
    factors_or_generator,
    finite,
)
from panda.errors import PandaError
from panda.notes import note
from panda.report.commands import panda_command

if TYPE_CHECKING:
    from panda.cli.rendering import Rendering
    from panda.editing.edits import Edit
    from panda.factorization.factors import Factors
    from panda.inversion.pasting import Pasting


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "edit",
        run,
        "edit images locally",
        "Add an appearance, or what a direction of latents or another sample brings, where a part"
        " or a mask is, in some samples or photographs, and write the edited images. Several edits"
        " are applied one after the other.",
        "panda edit faces --edit 0:p0:5sd --edit 3+5:remove --seeds 0-3 --out edited\n"
        "panda edit faces --edit hair:p0:4sd --out edited\n"
        "panda edit faces --edit mouth:smile.npy:2 --edit eyes:seed7:1 --out edited\n"
        "panda edit faces --edit hair:sefa/3:2 --edit mask.png:remove --out edited",
    )
    add_factors(
        verb,
        nargs="?",
        type=factors_or_generator,
        help="a folder written by panda fit; or for an edit by name a generator, whose factors are"
        " fitted once and kept (default: those that the edit is for)",
    )
    verb.add_argument(
        "--edit",
        action="append",
        required=True,
        metavar="WHERE:WHAT:STRENGTH",
        help="where: parts by number (3, 3+5 or 3,5) or by name once panda name has run; all,"
        " object, bg (what is around it); a mask FILE.png; or FOLDER/ with a mask for each sample,"
        " as panda localize writes it. What: an appearance by number, p0, p1, ... for what varies"
        " most in one part, bg for background, or remove; or a change of latents, of which only"
        " what is in that place stays: a direction FILE.npy; seed7, the way to another sample;"
        " FOLDER/photo0, the way to a photograph of panda invert; or a method's direction:"
        " sefa/NUMBER, ganspace/NUMBER, random/NUMBER, stylespace/SLOT.CHANNEL,"
        " lowrankgan/REGION.NUMBER, resefa/REGION.NUMBER, and of the features where it acts"
        " localdiff/REGION.NUMBER, loco/REGION.NUMBER (eyes, nose or mouth); #4-7 after it"
        " means these slots of w alone (panda info lists them). A strength as it is or in"
        " standard deviations: 3:12:30, 7:p0:5sd, 0:bg:1, 0:remove:1 (0:remove for short),"
        " mouth:smile.npy:2, and with @LAYER a change of latents acts at a later layer than the"
        " factors'. Or the name of an edit (panda edits), FILE.json or FILE.json:NAME; after a"
        " name, :2 is twice its strength. May be given several times",
    )
    verb.add_argument(
        "--strength",
        type=finite,
        default=1.0,
        metavar="TIMES",
        help="how many times their own strength edits by name have (default: 1)",
    )
    add_skip(verb)
    add_refine(verb)
    add_drawing(verb)
    verb.add_argument(
        "--paste",
        nargs="?",
        const="same",
        choices=("same", "jpg", "jpeg", "png", "webp", "avif"),
        help="with --latents: also put what is edited back into the photographs, at their full size"
        " and only where the edit acts; all else stays as it is, with EXIF and color profile. A"
        " kind of file, or that of each photograph (default: no)",
    )


def run(options: argparse.Namespace) -> None:
    """Apply all edits, one after the other."""
    from panda.cli.rendering import COMPARED, Rendering
    from panda.editing.apply import check_edit, edit_state
    from panda.editing.idle import Idle, note_idle
    from panda.editing.places import check_made, is_folder
    from panda.editing.refine import refine
    from panda.editing.syntax import TEXT
    from panda.evaluation.told import Told
    from panda.factorization.factors import Factors

    if isinstance(options.factors, Path):
        factors = Factors.load(options.factors)
    else:
        factors = _factors_of(options)
    if options.strength != 1 and all(TEXT.fullmatch(text.strip()) for text in options.edit):
        raise PandaError(
            f"--strength {options.strength:g} is for edits by name; {options.edit[0]!r:.60} says"
            " its own strength"
        )
    edits = [edit for text in options.edit for edit in _find(text, factors, options.strength)]
    rendering = Rendering(options, factors)
    rendering.set_skip(options.skip)
    generator = rendering.generator
    for edit in edits:
        check_edit(generator, factors, edit)  # before anything is rendered
        if is_folder(edit.place):
            given = {"truncation": options.truncation, "label": options.label}
            check_made(edit.place, rendering.latents is not None, **given)
    idle: Idle = {}
    pasting = _pasting(options, rendering)
    told = Told(options.edit, factors.generator, options.device, times=options.strength)
    pasted: list[Path] = []
    with rendering.results(COMPARED) as results:
        results.facts["edits"] = [str(edit) for edit in edits]
        for chunk in rendering.chunks():
            parts = refine(factors, chunk.state.x) if options.refine else None
            numbers, latents = chunk.numbers, chunk.latents
            edited = edit_state(
                generator, factors, latents, chunk.state, edits, parts, numbers=numbers, idle=idle
            )
            images = rendering.finish(chunk, *edited)
            results.compare(chunk, images)
            for number, old, new in zip(numbers, chunk.before, images, strict=True):
                if pasting and (photograph := pasting.add(number, old, new)):
                    photograph.save(results.work / photograph.name)
                    pasted.append(rendering.out / photograph.name)
            told.look(chunk.before, images)
        if told.effects:
            results.facts["effects"] = told.effects
        if pasting:
            results.facts["pasted"] = pasted
    for file in pasted:
        note(str(file))
    told.say()
    note_idle(idle, len(rendering.numbers), "seed" if rendering.latents is None else "photograph")


def _pasting(options: argparse.Namespace, rendering: Rendering) -> Pasting | None:
    """Return what puts edits back into photographs; None where that is not asked for."""
    from panda.inversion.pasting import Pasting

    if options.paste is None:
        return None
    if rendering.inversion is None:
        raise PandaError(
            "--paste is for photographs; give their folder (panda invert) as --latents"
        )
    strength = "" if options.strength == 1 else f" x {options.strength:g}"
    return Pasting(
        rendering.inversion, {"edits": "; ".join(options.edit) + strength}, options.paste
    )


def _find(text: str, factors: Factors, times: float) -> list[Edit]:
    """Return the edits of a text; those that have a name are so many times as strong."""
    from panda.editing.edits import find_edits
    from panda.editing.syntax import TEXT

    edits = find_edits(text, factors)
    if TEXT.fullmatch(text.strip()):
        return edits
    return [replace(edit, strength=times * edit.strength) for edit in edits]


def _factors_of(options: argparse.Namespace) -> Factors:
    """Return the factors that the first edit is for, from the cache or fitted now."""
    from panda.editing.named import factors_of, find_named
    from panda.editing.syntax import NAMED, TEXT
    from panda.generators.registry import create_generator, refer

    given, text = options.factors, options.edit[0]
    if TEXT.fullmatch(text.strip()):
        raise PandaError(
            f"{text} does not say of which factors; give their folder, as in"
            f" '{panda_command('edit', 'FACTORS', '--edit', text)}'"
        )
    if given and (label := refer(given).label) is not None:
        given = given.removesuffix(f"@{label}")  # its edits are for factors of all classes
        options.label = options.label or [label]
    generator = create_generator(given, device=options.device) if given else None
    match = NAMED.fullmatch(text)
    name, named = find_named(match["name"] if match else text, given or "")
    return factors_of(name, named, generator, device=options.device)

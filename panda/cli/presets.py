"""``panda presets``: named edits of a generator of faces, made and tried."""

from __future__ import annotations

import argparse

from panda.cli.benchmark.locality import method
from panda.cli.options import Parser, Verbs, add_device, add_generator, add_json, add_out, add_verb
from panda.cli.output import print_json, say
from panda.errors import PandaError
from panda.generators.registry import create_generator, refer
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "presets",
        run,
        "make named edits of a generator of faces",
        "Find edits that do what their name says and hardly anything else: of all methods, kept"
        " inside parts, the one with the least change outside for its effect; and try them on other"
        " faces. The same command resumes where it was stopped.",
        "panda presets mini-stylegan2-faces-64 --n 50 --out presets",
    )
    add_generator(verb)
    verb.add_argument(
        "--edits",
        metavar="NAMES",
        help="such as smile,eyes,dark_hair (default: all that can be measured)",
    )
    verb.add_argument(
        "--method",
        type=method,
        action="append",
        metavar="[LABEL=]NAME[:SETTING=VALUE...]",
        help="whose edits are tried, such as near=sefa:local=face/64; may be given several times"
        " (default: PandA's, and local directions of gradient, ganspace, sefa and stylespace)",
    )
    for name, default, words in (
        ("--n", 200, "faces on which presets are tried"),
        ("--select", 8, "faces on which they are chosen"),
        ("--shortlist", 4, "edits of a method that are tried for each choice"),
        ("--parse-size", 384, "pixels at which faces are parsed"),
    ):
        verb.add_argument(
            name, type=int, default=default, metavar="N", help=f"{words} (default: %(default)s)"
        )
    add_out(verb, "where the trial and presets/edits.json go; what is there already is kept")
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Make presets, and print what their trial gave."""
    from panda.editing.edit_files import facts_of, read_edits
    from panda.evaluation import locality, presets
    from panda.evaluation.edits import EDITS
    from panda.evaluation.settings import LocalitySettings

    if (label := refer(options.generator).label) is not None:
        raise PandaError(f"presets are for all that a generator makes; leave out '@{label:.60}'")
    generator = create_generator(options.generator, device=options.device)
    settings = LocalitySettings(
        generator=options.generator,
        edits=options.edits or ",".join(EDITS),
        n=options.n,
        methods=tuple(options.method or presets.default_methods(generator)),
        equal="effect",
        select=options.select,
        shortlist=options.shortlist,
        parse=options.parse_size,
    )
    benchmark = locality.prepare(generator, settings, options.out, device=options.device)
    file = presets.make(benchmark)
    zoo = read_edits(file)
    if options.json:
        edits = [{"name": name, **facts_of(edit)} for name, edit in zoo.items()]
        print_json({"out": options.out, "presets": file, "edits": edits})
    else:
        for name, edit in zoo.items():
            say(f"{name:16}  {', '.join(edit.edits)}  {edit.effect}")
    note(f"presets: {file}")

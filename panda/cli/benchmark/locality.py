"""``panda benchmark locality``: how much edits change outside their region."""

from __future__ import annotations

import argparse
import re

from panda.cli.benchmark.common import add_count
from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_generator,
    add_json,
    add_out,
    add_verb,
    finite,
)
from panda.cli.output import print_json, say
from panda.errors import PandaError
from panda.generators.registry import create_generator
from panda.notes import note


def add(kinds: Verbs[Parser]) -> None:
    """Add the kind."""
    verb = add_verb(
        kinds,
        "locality",
        run,
        "how much edits change outside their region",
        "Measure how much the edits of several methods change outside their region, at equal change"
        " inside it or at equal effect, on the same images. The same command resumes where it was"
        " stopped.",
        "panda benchmark locality mini-stylegan2-faces-64 --n 100 --out locality",
    )
    add_generator(verb)
    verb.add_argument(
        "--edits",
        default="eyes,nose,open_mouth,smile",
        help="what is edited, separated by commas (default: %(default)s)",
    )
    verb.add_argument(
        "--equal",
        choices=("change", "effect"),
        default="change",
        help="what is equal of all edits of an image: their change inside the region, or what they"
        " do: eyes 10 %% larger, ... (default: %(default)s)",
    )
    add_count(verb)
    verb.add_argument(
        "--method",
        type=method,
        action="append",
        metavar="[LABEL=]NAME[:SETTING=VALUE...]",
        help="such as resefa, fine=panda:layers=32.conv2@16, or near=sefa:local=64.conv2: its"
        " directions, kept inside parts at that layer, or where detectors see the region in each"
        " face (local=face/64); may be given several times; gradient and these detectors are"
        " supervised by face parsing (default: those that are not, and random directions)",
    )
    verb.add_argument(
        "--published",
        action="append",
        default=[],
        metavar="LABEL=FILE.npy",
        help="a direction (1 x D) that the method's authors published; may be given several times"
        " (default: none)",
    )
    verb.add_argument(
        "--strength",
        type=finite,
        default=0.2,
        help="root mean square change inside the region, of images in [-1, 1], where that is equal"
        " (default: %(default)s)",
    )
    verb.add_argument(
        "--boxes", action="store_true", help="LowRankGAN's boxes as regions (default: parsed faces)"
    )
    verb.add_argument(
        "--no-faces",
        action="store_true",
        help="leave out face parsing: regions are boxes, and any edit will do",
    )
    for name, default, words in (
        ("--select", 4, "images on which edits are chosen"),
        ("--shortlist", 6, "edits that are tried for each choice"),
        ("--parse-size", 512, "pixels at which faces are parsed"),
        ("--pictures", 4, "images on the page"),
    ):
        verb.add_argument(
            name, type=int, default=default, metavar="N", help=f"{words} (default: %(default)s)"
        )
    verb.add_argument(
        "--effects",
        action="store_true",
        help="look at edited images as well: what edits do, and their FID",
    )
    verb.add_argument(
        "--part",
        default="1/1",
        metavar="K/N",
        help="the share of this process, of N with the same --out (default: %(default)s)",
    )
    add_out(verb, "where figures and a page go")
    add_device(verb)
    add_json(verb)


def method(text: str) -> str:
    """Check a method with its label and settings; raises `PandaError` with the nearest name."""
    from panda.evaluation.localized import split_local
    from panda.evaluation.settings import label_of
    from panda.methods.catalog import find_method

    _, name, settings = label_of(text)
    find_method(name, split_local(settings)[1])
    return text


def run(options: argparse.Namespace) -> None:
    """Fit, choose, measure, and write the tables and the page."""
    from panda.evaluation import locality, results
    from panda.evaluation.settings import LocalitySettings
    from panda.methods.catalog import METHODS

    part = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", options.part)
    if part is None or not 1 <= int(part[1]) <= int(part[2]):
        raise PandaError(f"--part {options.part!r}, expected such as 1/2 and 2/2")
    settings = LocalitySettings(
        generator=options.generator,
        edits=options.edits,
        n=options.n,
        methods=tuple(options.method or METHODS),
        published=tuple(options.published),
        equal=options.equal,
        target=options.strength,
        boxes=options.boxes,
        select=options.select,
        shortlist=options.shortlist,
        parse=0 if options.no_faces else options.parse_size,
        effects=options.effects,
    )
    generator = create_generator(options.generator, device=options.device)
    benchmark = locality.prepare(
        generator, settings, options.out, device=options.device, pictures=options.pictures
    )
    done = locality.run(benchmark, (int(part[1]), int(part[2])))
    page = results.write(benchmark)
    if options.json:
        print_json({"out": options.out, "report": page, **results.summarize(benchmark)})
    else:
        say(*(options.out / "results.md").read_text(encoding="utf-8").splitlines())
    missing = "" if done else f"; {locality.missing(benchmark)} figures are still to come"
    note(f"{page}{missing}")

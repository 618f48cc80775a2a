"""``panda benchmark``: locality of edits, localization, removal, backgrounds, and ablations."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from panda.cli import benchmark_parts
from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_factors,
    add_generator,
    add_json,
    add_layer,
    add_out,
    add_verb,
    finite,
    print_help,
)
from panda.cli.output import print_json, say
from panda.errors import PandaError, nearest
from panda.files.ownership import check_files
from panda.generators.registry import create_generator
from panda.generators.seeds import parse_numbers
from panda.notes import note

if TYPE_CHECKING:
    from panda.factorization.factors import Factors
    from panda.generators.contract import Generator

FITS = "folders written by panda fit, of one layer and disjoint sets of seeds"

LOCALIZED = {
    "iou": "IoU",
    "constant": "of the best constant mask",
    "gain": "over it",
    "components": "of a principal component",
    "lead": "over it",
    "random": "of a random direction",
}
"""The figures of a concept, in words."""


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb and its kinds."""
    verb = add_verb(
        verbs,
        "benchmark",
        lambda options: None,
        "measure locality, localization, removal, backgrounds and ablations",
        "Measure how local edits are, how well concepts are localized, what removing an object"
        " does, what acts as background, and what each choice of a factorization does.",
        "panda benchmark localization faces --n 100",
    )
    verb.set_defaults(run=print_help(verb))
    kinds = verb.add_subparsers(dest="kind", metavar="KIND", title="kinds")
    _add_locality(kinds)
    _add_localization(kinds)
    _add_removal(kinds)
    _add_background(kinds)
    _add_ablations(kinds)
    benchmark_parts.add(kinds)


def _add_locality(kinds: Verbs[Parser]) -> None:
    verb = add_verb(
        kinds,
        "locality",
        run_locality,
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
    _add_count(verb)
    verb.add_argument(
        "--method",
        type=method,
        action="append",
        metavar="[LABEL=]NAME[:SETTING=VALUE...]",
        help="such as resefa, fine=panda:layers=32.conv2@16, or near=sefa:local=64.conv2: its"
        " directions, kept inside parts at that layer; may be given several times; gradient is"
        " supervised by face parsing (default: the six that are not, and random directions)",
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


def _add_localization(kinds: Verbs[Parser]) -> None:
    verb = add_verb(
        kinds,
        "localization",
        run_localization,
        "how well concept maps agree with parsed faces",
        "Measure the intersection over union (IoU) of concept maps with parsed background, hair"
        " and skin.",
        "panda benchmark localization faces --n 100",
    )
    add_factors(verb, nargs="+", help=FITS)
    _add_count(verb)
    add_device(verb)
    add_json(verb)


def _add_removal(kinds: Verbs[Parser]) -> None:
    verb = add_verb(
        kinds,
        "removal",
        run_removal,
        "how much of an object goes, and whether the rest stays",
        "Measure how much of the parsed area disappears when an object is removed, and whether a"
        " classifier sees the rest as before.",
        "panda benchmark removal faces --what hair --n 100",
    )
    add_factors(verb, nargs="+", help=FITS)
    verb.add_argument(
        "--what",
        type=_face_class,
        default="hair",
        metavar="CLASS",
        help="a class of CelebAMask-HQ, such as hair or hat, or object (default: %(default)s)",
    )
    _add_count(verb)
    add_device(verb)
    add_json(verb)


def _add_background(kinds: Verbs[Parser]) -> None:
    verb = add_verb(
        kinds,
        "background",
        run_background,
        "whether a direction of factors acts as background",
        "Ask of each generator, at each depth, whether a column of A or a part's own appearance"
        " acts as background: localize it, add it, remove by it, beside baselines and over sets of"
        " fit seeds; and compare the backgrounds in images. The same command resumes where it was"
        " stopped.",
        "panda benchmark background 'mini-*' --out background",
    )
    verb.add_argument(
        "generators",
        nargs="+",
        metavar="GENERATOR",
        help="names, patterns such as 'mini-*', files; NAME@207 or NAME@0-9 for single classes",
    )
    add_out(verb, "where rows, tables and a picture go; an earlier study resumes")
    for name, default, words in (
        ("--sets", 5, "disjoint sets of seeds that factors are fitted to"),
        ("--samples", 200, "seeds of each set"),
        ("--parts", 8, "parts of each fit"),
        ("--n", 32, "other samples that directions are scored on"),
        ("--edited", 8, "of them, edited by the directions of each set"),
        ("--select", 16, "other samples that directions and layers are chosen on"),
        ("--images", 128, "samples whose backgrounds are compared in images"),
        ("--parse-size", 512, "pixels at which faces are parsed"),
    ):
        verb.add_argument(
            name, type=int, default=default, metavar="N", help=f"{words} (default: %(default)s)"
        )
    verb.add_argument(
        "--no-faces", action="store_true", help="leave out face parsing (default: parse faces)"
    )
    add_device(verb)
    add_json(verb)


def _add_ablations(kinds: Verbs[Parser]) -> None:
    verb = add_verb(
        kinds,
        "ablations",
        run_ablations,
        "what each choice of a factorization does",
        "Vary one choice of a factorization at a time (layer, ranks, samples, solver, ...) and"
        " measure the loss on samples that no fit has seen.",
        "panda benchmark ablations mini-stylegan2-faces-64 16.conv1 --samples 50,200 --out out",
    )
    add_generator(verb)
    add_layer(verb)
    verb.add_argument(
        "--layers", default="", help="to compare, separated by commas (default: LAYER alone)"
    )
    for name, default, words in (
        ("--parts", "4,8,16", "%(default)s"),
        ("--appearances", "", "1/8, 1/2 and all of the channels"),
        ("--samples", "50,200,1000", "%(default)s"),
    ):
        verb.add_argument(name, default=default, help=f"numbers to try (default: {words})")
    verb.add_argument(
        "--held-out",
        type=int,
        default=100,
        metavar="N",
        help="samples on which the loss is measured (default: %(default)s)",
    )
    verb.add_argument(
        "--steps",
        type=int,
        default=2000,
        metavar="N",
        help="of the paper's update rule (default: %(default)s)",
    )
    add_out(verb, "where figures and a page go")
    add_device(verb)
    add_json(verb)


def _add_count(verb: Parser) -> None:
    verb.add_argument("--n", type=int, default=1000, help="images (default: %(default)s)")


def method(text: str) -> str:
    """Check a method with its label and settings; raises `PandaError` with the nearest name."""
    from panda.evaluation.localized import split_local
    from panda.evaluation.settings import label_of
    from panda.methods.catalog import find_method

    _, name, settings = label_of(text)
    find_method(name, split_local(settings)[1])
    return text


def _face_class(text: str) -> str:
    """Check a class of parsed faces; raises `PandaError` with the nearest one."""
    from panda.metrics.parsing import CLASSES

    known = ("object", *CLASSES)
    if text not in known:
        raise PandaError(f"there is no face class {text!r}{nearest(text, known)}")
    return text


def run_locality(options: argparse.Namespace) -> None:
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


def run_localization(options: argparse.Namespace) -> None:
    """Print how well concept maps agree with parsed faces."""
    from panda.evaluation.localization import measure_localization
    from panda.metrics.parsing import FaceParser

    fits, generator = _load(options)
    figures = measure_localization(generator, fits, FaceParser(options.device), options.n)
    if options.json:
        print_json({"factors": options.factors, "n": options.n, "localization": figures})
        return
    for name, facts in figures.items():
        say(f"{name}, by concept {facts['concept']}")
        for key, words in LOCALIZED.items():
            say(f"  {words:26} {_figure(facts[key])}")
    for factors in fits:
        if not factors.has_background:
            note(factors.no_background)


def run_removal(options: argparse.Namespace) -> None:
    """Print what removing an object does."""
    from panda.evaluation.removal import measure_removal
    from panda.metrics.efficientnet import Classifier
    from panda.metrics.parsing import FaceParser

    fits, generator = _load(options)
    parser = FaceParser(options.device)
    try:
        classifier = Classifier(options.device)
    except PandaError as error:
        note(f"without the classifier's figures: {error}")
        classifier = None
    figures = measure_removal(generator, fits, parser, classifier, options.what, options.n)
    if options.json:
        print_json({"factors": options.factors, **figures})
        return
    every = figures["parts"] or [None]
    words = ["the whole object" if each is None else f"parts {each}" for each in every]
    say(f"{options.what}: {'; '.join(words)}")
    for name, value in figures.items():
        if name not in ("what", "parts", "n"):
            say(f"{name:12} {_figure(value)}")


def run_background(options: argparse.Namespace) -> None:
    """Measure what is not done yet, and write the rows and the tables."""
    from panda.evaluation.background import output
    from panda.evaluation.background.run import study_backgrounds
    from panda.evaluation.background.settings import BackgroundSettings

    settings = BackgroundSettings(
        sets=options.sets,
        samples=options.samples,
        parts=options.parts,
        n=options.n,
        edited=options.edited,
        selected=options.select,
        portrayed=options.images,
        faces=not options.no_faces,
        parse_size=options.parse_size,
    )
    study = study_backgrounds(options.generators, options.out, settings, device=options.device)
    page = output.write(study, options.out)
    if options.json:
        print_json({"out": options.out, "report": page, **output.to_json(study)})
    else:
        say(*page.read_text(encoding="utf-8").splitlines())
    note(f"{page}, {options.out / 'rows.csv'}")


def run_ablations(options: argparse.Namespace) -> None:
    """Fit every variant, and write the figures and the page."""
    from panda.evaluation import ablations

    check_files(options.out, ablations.WHAT, ablations.FILES)
    if options.held_out < 1 or options.steps < 1:
        raise PandaError("expected at least one sample to be held out, and one step")
    generator = create_generator(options.generator, device=options.device)
    rows = ablations.ablate(
        generator,
        options.layer,
        layers=[name for name in options.layers.split(",") if name],
        parts=parse_numbers(options.parts, "parts"),
        appearances=parse_numbers(options.appearances, "appearances")
        if options.appearances
        else None,
        samples=parse_numbers(options.samples, "samples"),
        held_out=options.held_out,
        steps=options.steps,
    )
    page = ablations.write(rows, f"{options.generator} {options.layer}", options.out)
    if options.json:
        print_json({"out": options.out, "report": page, "variants": list(map(asdict, rows))})
    else:
        for row in rows:
            say(
                f"{row.choice:12} {row.value:45} loss {row.loss:.4f}  area {row.area:.3f}"
                f"  {row.cpu_seconds:7.1f} s"
            )
    note(str(page))


def _load(options: argparse.Namespace) -> tuple[list[Factors], Generator]:
    """Return fits that are measured together, and their generator."""
    from panda.cli.rendering import generator_of
    from panda.factorization.factors import Factors

    if options.n < 1:
        raise PandaError(f"{options.n} images, expected at least one")
    fits = [Factors.load(folder) for folder in options.factors]
    return fits, generator_of(fits[0], options)


def _figure(estimate: Any) -> str:
    """Return a mean and half of its 95 % interval as text."""
    return "{:.3f} ± {:.3f}".format(*estimate)

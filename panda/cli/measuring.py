"""The parsers of verbs that measure: name, discover, benchmark and compare."""

from __future__ import annotations

import argparse
from pathlib import Path

from panda.cli.options import add_device, add_json, finite, later


def add_naming(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """``panda name``, ``discover`` and ``benchmark``."""
    verb = verbs.add_parser("name", help="name parts and appearances by what they cover and change")
    verb.set_defaults(run=later("naming", "name"))
    verb.add_argument("factors", type=Path, help="a folder written by panda fit")
    verb.add_argument("--seeds", default="0-3", help="samples to look at (%(default)s)")
    verb.add_argument("--appearances", type=int, default=4, help="of each part's own (%(default)s)")
    verb.add_argument("--strength", type=finite, default=4.0, help="in sd (%(default)s)")
    verb.add_argument("--no-faces", action="store_true", help="no face parsing: place and color")
    add_device(verb)
    add_json(verb)

    verb = verbs.add_parser("discover", help="edits of named factors that do what is wanted")
    verb.set_defaults(run=later("naming", "discover"))
    verb.add_argument("wanted", help="such as 'open mouth', 'big eyes', 'smile', 'darker'")
    verb.add_argument("factors", type=Path, nargs="+", help="folders named by panda name")
    verb.add_argument("--top", type=int, default=10, help="(%(default)s)")
    add_json(verb)

    benchmark = verbs.add_parser("benchmark", help="locality, localization and removal in figures")
    kinds = benchmark.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, about in (
        ("localization", "IoU of concept maps with parsed faces"),
        ("removal", "how much of an object goes, and whether the rest stays"),
    ):
        verb = kinds.add_parser(kind, help=about)
        verb.set_defaults(run=later("benchmark", f"run_{kind}"))
        verb.add_argument("factors", type=Path, help="a folder written by panda fit")
        verb.add_argument("--n", type=int, default=1000, help="images (%(default)s)")
        if kind == "removal":
            verb.add_argument(
                "--what", default="hair", help="a face class, or object (%(default)s)"
            )
        add_device(verb)
    verb = kinds.add_parser("ablations", help="what each choice of a factorization does")
    verb.set_defaults(run=later("benchmark", "run_ablations"))
    verb.add_argument("generator", help="a name, or a checkpoint file")
    verb.add_argument("layer")
    verb.add_argument("--layers", default="", help="others to compare with, by commas")
    verb.add_argument("--parts", default="4,8,16", help="(%(default)s)")
    verb.add_argument("--appearances", default="", help="default: 1/8, 1/2 and all channels")
    verb.add_argument("--samples", default="50,200,1000", help="(%(default)s)")
    verb.add_argument("--held-out", type=int, default=100, help="samples (%(default)s)")
    verb.add_argument("--steps", type=int, default=2000, help="of the paper's rule (%(default)s)")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_device(verb)

    verb = kinds.add_parser("locality", help="how much edits change beside their region")
    verb.set_defaults(run=later("benchmark", "run_locality"))
    verb.add_argument("generator", help="a name, or a checkpoint file")
    verb.add_argument("--edits", default="eyes,nose,open_mouth,smile", help="(%(default)s)")
    verb.add_argument("--n", type=int, default=1000, help="images (%(default)s)")
    verb.add_argument(
        "--method",
        action="append",
        metavar="[LABEL=]NAME[:SETTING=VALUE...]",
        help="such as resefa, or fine=panda:layers=32.conv2@16; default: all six",
    )
    verb.add_argument(
        "--published",
        action="append",
        default=[],
        metavar="LABEL=FILE.npy",
        help="a direction (1 x D) that the method's authors published; may be given several times",
    )
    verb.add_argument(
        "--strength",
        type=finite,
        default=0.2,
        help="root mean square change inside the region of images in [-1, 1] (%(default)s)",
    )
    verb.add_argument("--boxes", action="store_true", help="LowRankGAN's boxes for regions")
    verb.add_argument(
        "--no-faces", action="store_true", help="no face parsing: boxes, and any edit will do"
    )
    verb.add_argument(
        "--select", type=int, default=4, help="faces to choose edits on (%(default)s)"
    )
    verb.add_argument("--shortlist", type=int, default=6, help="edits tried for each (%(default)s)")
    verb.add_argument("--parse-size", type=int, default=512, help="(%(default)s)")
    verb.add_argument(
        "--effects", action="store_true", help="look at edited images too: what they do, FID"
    )
    verb.add_argument("--pictures", type=int, default=4, help="faces on the page (%(default)s)")
    verb.add_argument(
        "--part", default="1/1", help="K/N: the share of this process, of N with the same --out"
    )
    verb.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_device(verb)
    add_json(verb)


def add_comparison(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """``panda compare``."""
    verb = verbs.add_parser("compare", help="the identical analysis of many generators, one page")
    verb.set_defaults(run=later("comparing", "run"))
    verb.add_argument(
        "generators",
        nargs="+",
        metavar="GENERATOR",
        help="names, patterns such as 'mini-*', files; NAME@207 or NAME@0-9 for single classes",
    )
    verb.add_argument("--out", type=Path, required=True, metavar="DIR")
    verb.add_argument("--quick", action="store_true", help="one level, fewer samples")
    verb.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    verb.add_argument(
        "--levels", help="sides of the image over the layer's, such as 16,8,4 (16 x 16 of 64: 4)"
    )
    verb.add_argument("--samples", type=int, help="of each fit")
    verb.add_argument("--parts", type=int, metavar="R_S")
    verb.add_argument("--scored", type=int, help="samples that figures are measured on")
    verb.add_argument("--no-faces", action="store_true", help="no face parsing")
    add_device(verb)
    add_json(verb)

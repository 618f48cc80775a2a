"""Every verb and option in one place; each verb names the function that runs it."""

from __future__ import annotations

import argparse
from pathlib import Path

from panda import __version__
from panda.cli.measuring import add_comparison, add_naming
from panda.cli.options import add_device, add_json, finite, later

DESCRIPTION = "Unsupervised parts and appearances of pretrained image generators."
EPILOG = "Start with: panda demo"


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog="panda", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"panda {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _catalog(verbs)
    _fitting(verbs)
    _using(verbs)
    _inverting(verbs)
    add_naming(verbs)
    add_comparison(verbs)
    _studio(verbs)
    demo = verbs.add_parser("demo", help="fit, edit, localize and remove; write one HTML report")
    demo.set_defaults(run=later("demo", "demo"))
    demo.add_argument("--generator", help="a name, or a checkpoint file; faces by default")
    demo.add_argument("--quick", action="store_true", help="fewer samples and pictures")
    demo.add_argument("--out", type=Path, default=Path("panda-demo"), metavar="DIR")
    add_device(demo)
    return parser


def _catalog(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("list", help="list generators")
    verb.set_defaults(run=later("catalog", "show_list"))
    verb.add_argument("pattern", nargs="?", default="*", help="such as 'stylegan*'")
    add_json(verb)

    verb = verbs.add_parser("info", help="what is known of one generator, and its layers")
    verb.set_defaults(run=later("catalog", "show_info"))
    verb.add_argument("generator", help="a name, or a checkpoint file")
    add_json(verb)

    verb = verbs.add_parser("fetch", help="bring weights into the cache")
    verb.set_defaults(run=later("catalog", "fetch"))
    verb.add_argument("generators", nargs="+", metavar="NAME", help="also such as 'stylegan3-t-*'")
    verb.add_argument(
        "--file", type=Path, metavar="COPY", help="take this copy instead of a download"
    )

    verb = verbs.add_parser("plugins", help="list plugins, where they come from, their health")
    verb.set_defaults(run=later("catalog", "show_plugins"))
    add_json(verb)

    verb = verbs.add_parser(
        "doctor", help="versions, devices, cache and plugins on one page; 1 if something is ill"
    )
    verb.set_defaults(run=later("doctor", "doctor"))
    add_json(verb)

    verb = verbs.add_parser("check", help="test a generator against the contract; 1 if it fails")
    verb.set_defaults(run=later("checking", "check"))
    verb.add_argument("generator", help="a name, or a checkpoint file")
    add_device(verb)
    add_json(verb)


def _fitting(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("fit", help="factorize a layer's features into parts and appearances")
    verb.set_defaults(run=later("fitting", "fit"))
    verb.add_argument("generator")
    verb.add_argument("layer")
    verb.add_argument("--parts", type=int, default=8, metavar="R_S")
    verb.add_argument("--appearances", type=int, metavar="R_C", help="default: all channels")
    verb.add_argument("--seeds", default="0-999", help="such as 0-999 or 3,5,10-20 (%(default)s)")
    verb.add_argument("--truncation", type=finite, default=1.0, metavar="PSI")
    verb.add_argument("--label", type=int, help="class, for class-conditional generators")
    verb.add_argument("--solver", default="joint", help="joint (default) or paper")
    verb.add_argument("--learning-rate", type=finite, default=1e-6, help="of the solver paper")
    verb.add_argument("--steps", type=int, default=10_000, help="of the solver paper")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_device(verb)
    add_json(verb)

    verb = verbs.add_parser("import", help="read factors (.npy) of the released PandA code")
    verb.set_defaults(run=later("fitting", "import_released"))
    verb.add_argument("generator")
    verb.add_argument("layer")
    verb.add_argument("--appearances", type=Path, required=True, metavar="Uc.npy")
    verb.add_argument("--parts", type=Path, required=True, metavar="Us.npy")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_device(verb)

    verb = verbs.add_parser("convert", help="read any checkpoint file and write it as safetensors")
    verb.set_defaults(run=later("convert", "convert"))
    verb.add_argument("checkpoint", type=Path, help="a file or folder of any known container")
    verb.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")


def _using(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "parts", "show_parts", "show every part over some samples")
    verb.add_argument("--refine", action="store_true", help="fit the parts to each sample")

    verb = _verb(verbs, "edit", "edit", "edit images locally", needed=False)
    verb.add_argument(
        "--edit",
        action="append",
        required=True,
        metavar="PARTS:APPEARANCE:STRENGTH",
        help="such as 3:12:30, 3+5:0:-40, 7:p0:5sd (a part's own first appearance, in standard"
        " deviations), 0:bg:1 or 0:remove:1.2; or the name of an edit (panda edits), or FILE.json"
        " or FILE.json:NAME of an edit zoo; may be given several times",
    )
    verb.add_argument("--refine", action="store_true", help="fit the parts to each sample first")

    verb = verbs.add_parser("edits", help="list the named edits of an edit zoo")
    verb.set_defaults(run=later("catalog", "show_edits"))
    verb.add_argument("zoo", nargs="?", type=Path, help="a file; default: those of all generators")
    add_json(verb)

    _verb(verbs, "refine", "refine", "fit the parts to single samples")

    verb = _verb(verbs, "localize", "localize", "show where an appearance is")
    verb.add_argument("--appearance", required=True, help="a number, p0 with --part, or bg")
    verb.add_argument("--part", type=int, help="the part whose own appearance is meant")
    verb.add_argument("--threshold", default="otsu", help="otsu (default) or mean")

    verb = _verb(verbs, "remove", "remove", "replace the object by background")
    verb.add_argument("--parts", help="only these, such as 0 or 0,2,5-7; default: all of it")
    verb.add_argument("--strength", type=finite, default=1.2, help="(%(default)s)")


def _inverting(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("invert", help="find latents of photographs, to edit them like samples")
    verb.set_defaults(run=later("inverting", "run"))
    verb.add_argument("photographs", type=Path, nargs="+", metavar="PHOTO")
    verb.add_argument("--generator", required=True, help="a name, or a checkpoint file")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR")
    verb.add_argument("--space", help="w, w+ or z; default: w+ where there is one, else z")
    verb.add_argument("--steps", type=int, default=60, help="for each (%(default)s)")
    verb.add_argument(
        "--align",
        default="auto",
        help="always: bring the largest face to where the generator's are; never: take the middle"
        " square; auto (default): always for generators of faces",
    )
    verb.add_argument("--label", type=int, help="class, for class-conditional generators")
    verb.add_argument("--seed", type=int, default=0, help="of the samples to start from")
    add_device(verb)
    add_json(verb)


def _studio(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("studio", help="the interactive app, in the browser, offline")
    verb.set_defaults(run=later("studio", "studio"))
    verb.add_argument(
        "generators",
        nargs="*",
        metavar="GENERATOR",
        help="names, patterns, files; default: all whose weights are here",
    )
    verb.add_argument(
        "--factors",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder written by panda fit, to offer as well; may be given several times",
    )
    verb.add_argument("--host", default="127.0.0.1", help="(%(default)s)")
    verb.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    verb.add_argument("--browser", action="store_true", help="open it in the browser")
    add_device(verb)


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: str,
    about: str,
    needed: bool = True,
) -> argparse.ArgumentParser:
    """A verb that takes fitted factors, ``needed`` or not, and draws pictures of some seeds."""
    verb = verbs.add_parser(name, help=about)
    verb.set_defaults(run=later("using", function))
    verb.add_argument(
        "factors",
        type=Path,
        nargs=None if needed else "?",
        help="a folder written by panda fit"
        + ("" if needed else "; default: those the edit is for"),
    )
    verb.add_argument("--seeds", help="such as 0-3 (default) or 3,5,10-20")
    verb.add_argument(
        "--latents", type=Path, metavar="DIR", help="in place of seeds: written by panda invert"
    )
    verb.add_argument(
        "--truncation", type=finite, metavar="PSI", help="default: the generator's usual one"
    )
    verb.add_argument("--label", type=int, help="class, for class-conditional generators")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_device(verb)
    return verb

"""``panda new-backend``: a package for a generator of the user's own."""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

from panda.cli.options import Parser, Verbs, add_json, add_verb
from panda.cli.output import print_json, say
from panda.errors import PandaError
from panda.notes import note
from panda.scaffold.package import (
    KINDS,
    WHAT,
    check_name,
    generator_of,
    package_of,
    pip_command,
    write_package,
)


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    kinds = "; ".join(f"{kind}: {about}" for kind, about in KINDS.items())
    verb = add_verb(
        verbs,
        "new-backend",
        run,
        "write a package that brings a generator of your own",
        "Write an installable package with a backend that passes panda check as it is, and say what"
        " to fill in. Python code that you name with --module is imported and run.",
        "panda new-backend my-gan\npanda new-backend my-net --module mynets.unet:Decoder --install",
    )
    verb.add_argument("name", metavar="NAME", help="lowercase words with hyphens, such as my-gan")
    verb.add_argument("--kind", choices=KINDS, help=f"{kinds} (default: gan)")
    verb.add_argument(
        "--module",
        metavar="PACKAGE:CLASS",
        help="a torch.nn.Module that is made without arguments, as Python imports it from here"
        " (default: none)",
    )
    verb.add_argument(
        "--latent",
        type=_shape,
        metavar="SIZES",
        help="the shape of one latent of --module, such as 512 or 4,8,8 (default: by its weights)",
    )
    verb.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where it goes (default: panda-NAME)"
    )
    verb.add_argument("--install", action="store_true", help="install it with pip, editable")
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Write the package, install it if asked, and say what is left to do."""
    from panda.files.ownership import check_folder

    kind = options.kind or ("module" if options.module else "gan")
    if (kind == "module") != bool(options.module):
        raise PandaError("--kind module and --module PACKAGE:CLASS go together, and with no other")
    if options.latent and not options.module:
        raise PandaError("--latent is the shape of --module's latents; give that too")
    check_name(options.name)
    folder = options.out or Path(f"panda-{options.name}")
    check_folder(folder, WHAT)
    plan = None
    on_path = str(Path.cwd()) in sys.path
    if options.module:
        from panda.scaffold.module import plan_of

        with redirect_stdout(sys.stderr):  # what the user's code prints is not the result
            plan = plan_of(options.module, options.latent)
    left = write_package(folder, options.name, kind, plan)
    package = package_of(options.name)
    if options.json:
        print_json({"folder": folder, "package": package, "kind": kind, "to_fill_in": left})
    else:
        say(f"{folder}: package panda-{options.name}, imported as {package}", "to fill in:")
        say(*(f"  {line}" for line in left))
    if plan and not on_path and _lies_in(plan.module, Path.cwd()):
        note(
            f"{plan.module} is imported from the current folder, where installed programs do not"
            f" look: install it, set PYTHONPATH, or copy it into {folder / package} and import it"
            " from there"
        )
    following = f"next: panda check {generator_of(options.name, plan)}"
    if not options.install:
        note(f"install it with: pip install -e {folder.absolute()}; {following}")
        return
    command = pip_command(folder)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise PandaError(f"{folder} was written, but pip could not install it: {reason}")
    note(f"installed; {following}")


def _lies_in(module: str, folder: Path) -> bool:
    """Return whether a module that is imported lies in a folder."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and folder.resolve() in Path(file).resolve().parents


def _shape(text: str) -> tuple[int, ...]:
    """Read sizes that are separated by commas."""
    sizes = text.split(",")
    if not all(size.isascii() and size.isdigit() and int(size) for size in sizes):
        raise argparse.ArgumentTypeError(f"{text!r} is no shape, such as 512 or 4,8,8")
    return tuple(map(int, sizes))

"""``panda studio``: the interactive app."""

from __future__ import annotations

import argparse

from panda.cli.options import Parser, Verbs, add_device, add_verb, existing
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "studio",
        run,
        "edit in the browser, offline",
        "Serve a page on this machine where parts are chosen by clicking, appearances by their"
        " thumbnails and strengths by sliders. It fetches nothing and needs the extra 'studio'.",
        "panda studio --browser",
    )
    verb.add_argument(
        "generators",
        nargs="*",
        metavar="GENERATOR",
        help="names, patterns, files (default: all whose weights are on this machine)",
    )
    verb.add_argument(
        "--factors",
        type=existing,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder written by panda fit, to offer as well; may be given several times"
        " (default: none)",
    )
    verb.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    verb.add_argument("--port", type=int, help="(default: the first free one from 7860)")
    verb.add_argument("--browser", action="store_true", help="open the page in the browser")
    add_device(verb)


def run(options: argparse.Namespace) -> None:
    """Serve the app until it is interrupted."""
    from panda.studio.app import Studio
    from panda.studio.library import Library
    from panda.studio.server import served

    library = Library(options.generators, options.factors, options.device)
    where = {"host": options.host, "port": options.port, "browser": options.browser}
    with served(Studio(library), **where) as page:
        note(f"PandA studio: {page.local_url} (Ctrl-C ends it)")
        page.block_thread()

"""``panda studio``: the interactive app."""

from __future__ import annotations

import argparse

from panda.cli.options import Parser, Verbs, add_device, add_verb, existing
from panda.notes import note

OPEN = (
    "The page is open to everyone who can reach this machine over the network, without a password:"
    " they can choose among its generators, have it compute, and upload photographs. They cannot"
    " read its files or see each other's images. Leave --host out to keep the page to yourself."
)
"""What is said where others can reach the page."""


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
    verb.add_argument(
        "--host",
        default="127.0.0.1",
        help="an address or name of this machine, by which others can reach the page, or 0.0.0.0"
        " for all of them; there is no password (default: %(default)s, this machine alone)",
    )
    verb.add_argument("--port", type=int, help="(default: the first free one from 7860)")
    verb.add_argument("--browser", action="store_true", help="open the page in the browser")
    add_device(verb)


def run(options: argparse.Namespace) -> None:
    """Serve the app until it is interrupted."""
    from panda.studio.app import Studio
    from panda.studio.guard import is_loopback
    from panda.studio.library import Library
    from panda.studio.server import served

    library = Library(options.generators, options.factors, options.device)
    where = {"host": options.host, "port": options.port, "browser": options.browser}
    with served(Studio(library), **where) as page:
        note(f"PandA studio: {page.local_url} (Ctrl-C ends it)")
        if not is_loopback(options.host):
            note(OPEN)
        page.block_thread()

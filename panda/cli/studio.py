"""``panda studio``: the interactive app."""

from __future__ import annotations

import argparse
import sys

from panda.studio.app import Studio
from panda.studio.library import Library
from panda.studio.server import served


def studio(options: argparse.Namespace) -> None:
    """Serve the app until it is interrupted."""
    library = Library(options.generators, options.factors, options.device)
    where = {"host": options.host, "port": options.port, "browser": options.browser}
    with served(Studio(library), **where) as page:
        print(f"PandA studio: {page.local_url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        page.block_thread()

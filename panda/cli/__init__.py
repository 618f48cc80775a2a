"""The command line: ``panda VERB ...``. torch is imported only by the verbs that need it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from panda.cli.parser import build_parser
from panda.errors import PandaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is done, 2 is wrong use, told in one sentence on stderr."""
    warnings.showwarning = _one_line
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except PandaError as error:
        print(f"panda: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("panda: interrupted; nothing half-written was left", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as head does
        sys.stderr.close()
        return 0
    return 0


def _one_line(message: object, *_: object, **__: object) -> None:
    print(f"panda: warning: {message}", file=sys.stderr)

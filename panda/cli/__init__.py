"""The command line: ``panda VERB ...``. torch is imported only by the verbs that need it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from panda.cli.parser import build_parser
from panda.errors import PandaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is done, 1 a failed check, 2 wrong use, told in a sentence on stderr."""
    warnings.showwarning = _one_line
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except PandaError as error:
        print(f"panda: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("panda: interrupted; no file was left half-written", file=sys.stderr)
        return 130
    except (OSError, MemoryError) as error:
        return _system(error)
    return code


def _system(error: OSError | MemoryError) -> int:
    """What the machine refused, in one sentence."""
    if isinstance(error, BrokenPipeError):  # the reader of our output went away, as head does
        sys.stderr.close()
        return 0
    print(f"panda: {str(error) or 'not enough memory'}", file=sys.stderr)
    return 2


def _one_line(message: object, *_: object, **__: object) -> None:
    print(f"panda: warning: {message}", file=sys.stderr)

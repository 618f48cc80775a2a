"""The command line: ``panda VERB ...``. torch is imported only by the verbs that need it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from panda.cli.parser import build_parser
from panda.errors import PandaError

LONGEST = 2000
"""Characters of a message that are shown; of a longer one, its beginning and its end."""

NO_ROOM = "out of memory", "can't allocate memory"
"""What torch says of a GPU's memory and of the machine's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is done, 1 a failed check, 2 wrong use, told in a sentence on stderr."""
    warnings.showwarning = _one_line
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        if sys.stdout is not None:  # closed by the shell: >&-
            sys.stdout.flush()
    except PandaError as error:
        _say(error)
        return 2
    except KeyboardInterrupt:
        _say("interrupted; no file was left half-written")
        return 130
    except (OSError, MemoryError) as error:
        return _system(error)
    except RuntimeError as error:
        if not any(words in str(error) for words in NO_ROOM):
            raise
        reason = str(error).partition(" GPU ")[0].strip().rstrip(".")
        _say(f"not enough memory ({reason}); end what else uses it, or take another --device")
        return 2
    return code


def _system(error: OSError | MemoryError) -> int:
    """What the machine refused, in one sentence."""
    if isinstance(error, BrokenPipeError):  # the reader of our output went away, as head does
        sys.stderr.close()
        return 0
    _say(str(error) or "not enough memory")
    return 2


def _one_line(message: object, *_: object, **__: object) -> None:
    _say(f"warning: {message}")


def _say(message: object) -> None:
    """One line on stderr: words of files and servers neither steer the terminal nor flood it."""
    text = str(message)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} [...] {text[-LONGEST // 2 :]}"
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    print(f"panda: {''.join(shown)}", file=sys.stderr)

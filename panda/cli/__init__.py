"""The command line: ``panda VERB ...``. torch is imported only by the verbs that need it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence

from panda.checkpoints.hub import fetched
from panda.cli.options import TRACEBACK
from panda.cli.parser import build_parser
from panda.errors import PandaError
from panda.files.tilde import expand_word
from panda.notes import note, note_traceback, tracebacks

LONGEST = 2000
"""Characters of a message that are shown; of a longer one, its beginning and its end."""

OUT_OF_MEMORY = "out of memory", "can't allocate memory"
"""How torch reports that a GPU's memory, or the machine's, does not suffice."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: The words after ``panda``; by default those of this process.

    Returns:
        0 where all is done, 1 where a check failed, 2 for wrong use, which one line on stderr
        explains, and 130 where the command was interrupted.
    """
    warnings.showwarning = _shows_once()
    words = sys.argv[1:] if arguments is None else arguments
    with tracebacks(TRACEBACK in words):
        return _run(words)


def _run(words: Sequence[str]) -> int:
    """Run one command; see `main`."""
    try:
        options = build_parser().parse_args([fetched(expand_word(word)) for word in words])
        code: int = options.run(options) or 0
        if sys.stdout is not None:  # closed by the shell: >&-
            sys.stdout.flush()
    except PandaError as error:
        note_traceback(error)
        _say(error)
        return 2
    except KeyboardInterrupt as error:  # a verb that can resume says so in its argument
        _say("; ".join(["interrupted", "no file was left half-written", *map(str, error.args)]))
        return 130
    except (OSError, MemoryError) as error:
        return _system(error)
    except RuntimeError as error:
        if not any(words in str(error) for words in OUT_OF_MEMORY):
            raise
        note_traceback(error)
        reason = str(error).partition(" GPU ")[0].strip().rstrip(".")
        _say(f"not enough memory ({reason}); end what else uses it, or take another --device")
        return 2
    return code


def _system(error: OSError | MemoryError) -> int:
    """Say in one sentence what the machine refused, and return the exit status."""
    # The reader of results has left, as head does; notes to stderr never raise it.
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()
        return 0
    note_traceback(error)
    _say(str(error) or "not enough memory")
    return 2


def _shows_once() -> Callable[..., None]:
    """Return what shows a warning as one line, without the place in the code, and only once.

    Python by itself warns again once a library has touched its filters.
    """
    shown = set()

    def show(message: object, *_: object, **__: object) -> None:
        if (text := str(message)) not in shown:
            shown.add(text)
            _say(f"warning: {text}")

    return show


def _say(message: object) -> None:
    """Print one line to stderr that does not flood the terminal."""
    text = str(message)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} [...] {text[-LONGEST // 2 :]}"
    note(f"panda: {text}")

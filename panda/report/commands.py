"""Commands that a reader can copy into a shell."""

from __future__ import annotations

import shlex


def panda_command(*words: object) -> str:
    """Return ``panda WORDS``, quoted for a shell where a word needs it."""
    return shlex.join(["panda", *map(str, words)])

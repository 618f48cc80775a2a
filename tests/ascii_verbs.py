"""Run every verb in this process, whatever its locale; the first traceback ends it.

LC_ALL=C PYTHONUTF8=0 PYTHONIOENCODING=ascii python tests/ascii_verbs.py
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from arguments import REAL, playground

from panda.cli import main
from panda.cli.parser import build_parser

ODD = "caf\u00e9 \x1b[31m \u202e"
"""A name with a letter outside ASCII, an escape sequence and a turn of the reading direction."""
NAME = os.fsdecode(ODD.encode())
"""The same as a file name, as the shell would hand it over."""

MORE = [
    *([verb, "--json"] for verb in ("list", "plugins", "edits", "doctor")),
    *([verb] for verb in ("list", "plugins", "edits", "doctor")),
    ["info", "mobilestylegan-ffhq-1024"],
    ["demo", "--quick", "--generator", "tiny", "--out", "out"],
    ["check", "tiny"],
    ["discover", ODD, "named"],
    ["fit", "tiny", "a", "--parts", "2", "--seeds", "0-3", "--out", ODD],
    ["edit", "factors", "--edit", f"{ODD}:p0:1", "--out", "out"],
]


def commands() -> list[list[str]]:
    """Every verb with something to do, with other names, and with ``--help``."""
    helps = [[*words, "--help"] for words in verbs()]
    odd = [[NAME if word == "out" else word for word in words] for words in REAL]
    odd = [[f"odd/{NAME}" if word == "factors" else word for word in words] for words in odd]
    return [*helps, *REAL, *odd, *MORE]


def verbs() -> list[list[str]]:
    """The words of each parser: ``panda``, ``panda fit``, ``panda benchmark locality``, ..."""
    found, parsers = [], [([], build_parser())]
    for words, parser in parsers:
        found.append(words)
        for action in parser._subparsers._group_actions if parser._subparsers else ():
            parsers += [([*words, name], inner) for name, inner in action.choices.items()]
    return found


def run(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as stop:  # of --help
        return int(stop.code or 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, playground(Path(folder)):
        shutil.copytree("factors", f"odd/{NAME}")
        for words in commands():
            for out in ("out", NAME):
                shutil.rmtree(out, ignore_errors=True)
            code = run(words)
            sys.stdout.flush()
            print(f"{code} {words!a}", file=sys.stderr, flush=True)
            if code not in (0, 1, 2):
                sys.exit(f"panda {words!r} ended with {code}")

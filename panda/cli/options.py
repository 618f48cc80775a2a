"""What the verbs share: a parser that names the nearest choice, and options that many of them have.

Nothing here imports torch, nor does any module of a verb before the verb runs.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import textwrap
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from panda.errors import PandaError, nearest
from panda.files.nearest import nearest_file
from panda.report.commands import panda_command

TRACEBACK = "--traceback"
"""An option of every verb; it is looked for before words are parsed, which may load plugins."""

SKIPS = ("live", "keep", "drop")
"""Ways to resume a network with a running image; see ``panda edit --skip``."""

WIDTH = 79
"""Columns of a description."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, a `PandaError`, with the nearest valid choice.

    Options have their full names: an abbreviation could mean another option in a later version.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse everything; raise `PandaError` for what no option of this parser takes."""
        if self._subparsers is None:  # else the words behind the verb are the verb's
            for word in takewhile(lambda word: word != "--", args or ()):
                if word.startswith("--"):
                    self._check_option(word)
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self._check_option(rest[0])
            self.error(f"unexpected argument {rest[0]!r:.80}")
        return options, rest

    def _check_option(self, word: str) -> None:
        """Raise `PandaError` for a word that looks like an option and is none."""
        known, name = self._option_string_actions, word.partition("=")[0]
        if name.startswith("-") and name not in (*known, "-"):
            longer = [option for option in known if option.startswith(name)]
            close = longer[:2] or difflib.get_close_matches(name, known, n=2)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            self.error(f"there is no option {name!r:.80}{hint}")

    def error(self, message: str) -> NoReturn:
        """Raise `PandaError` with the message and where to read more."""
        raise PandaError(f"{message.rstrip()} (see '{self.prog} --help')")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise an error with the nearest choice; argparse itself lists all of them."""
        if action.choices is None or value in action.choices:
            return
        hint = nearest(value, action.choices)
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"there is no {action.dest} {value!r:.80}{hint}")
        raise argparse.ArgumentError(action, f"there is no {value!r:.80}{hint}")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of descriptions and examples, and has room for the longest verb."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)


Verbs = argparse._SubParsersAction
"""What `add_verb` adds to."""

Run = Callable[[argparse.Namespace], int | None]
"""What a verb does; 1 where a check failed, 0 or None where all went well."""


def add_verb(
    verbs: Verbs[Parser], name: str, run: Run, summary: str, description: str, example: str
) -> Parser:
    """Add a verb.

    Args:
        verbs: The verbs of a parser.
        name: The verb.
        run: What it does.
        summary: A line for the list of verbs.
        description: A sentence or two for its own help.
        example: A command line, or several.
    """
    verb = verbs.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, WIDTH),
        epilog=f"example:\n{textwrap.indent(example.strip(), '  ')}",
        formatter_class=Formatter,
    )
    verb.set_defaults(run=run)
    verb.add_argument(
        TRACEBACK,
        action="store_true",
        help="show where in the code an error was raised, as the variable PANDA_DEBUG=1 does",
    )
    return verb


def print_help(parser: Parser) -> Run:
    """Return what runs where no verb is given."""
    return lambda options: parser.print_help()


def finite(text: str) -> float:
    """Read a number that is neither NaN nor infinite nor absurd."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number below 1e9")
    return value


def existing(text: str) -> Path:
    """Read the path of a file or folder; where there is none, the error names the nearest."""
    path = Path(text)
    if not os.path.lexists(path):
        raise argparse.ArgumentTypeError(f"there is no {text!r}{nearest_file(path)}")
    return path


def existing_factors(text: str) -> Path:
    """Read the path of a folder of factors; the error says how to make them."""
    path = Path(text)
    if os.path.lexists(path) or nearest_file(path):
        return existing(text)
    raise argparse.ArgumentTypeError(
        f"there is no {text!r}; make factors with"
        f" '{panda_command('fit', 'GENERATOR', 'LAYER', '--out', text)}'"
    )


def factors_or_generator(text: str) -> Path | str:
    """Read the path of a folder of factors, or the name or file of a generator."""
    if Path(text).is_dir():
        return existing(text)
    from panda.generators.registry import known_card, refer

    if known_card(text) or Path(refer(text).name).is_file():
        return text
    return existing_factors(text)


GENERATOR = "a name (panda list) or a file; NAME@LABEL for one class or text, NAME?OPTION=VALUE"
"""What a generator's name may be, in the help of every verb that takes one."""


def add_generator(verb: Parser) -> None:
    """Add the generator, the first argument of many verbs."""
    verb.add_argument("generator", metavar="GENERATOR", help=GENERATOR)


def add_layer(verb: Parser) -> None:
    """Add the layer, the second argument."""
    verb.add_argument("layer", metavar="LAYER", help="its name; panda info GENERATOR lists them")


def add_factors(verb: Parser, **more: Any) -> None:
    """Add a folder of factors, and where their generator is now."""
    words = "a folder written by panda fit"
    verb.add_argument(
        "factors", metavar="FACTORS", **{"help": words, "type": existing_factors, **more}
    )
    verb.add_argument(
        "--generator",
        metavar="GENERATOR",
        help="where the factors' generator is now: a file or a name with the same weights"
        " (default: where it was when they were fitted)",
    )


def add_samples(verb: Parser) -> None:
    """Add which samples are drawn: seeds, truncation and class, or an inversion's latents."""
    verb.add_argument("--seeds", help="such as 0-3 or 3,5,10-20 (default: 0-3)")
    verb.add_argument(
        "--latents",
        type=existing,
        metavar="DIR",
        help="in place of seeds: a folder written by panda invert (default: none)",
    )
    add_truncation(verb, None, "the generator's usual one, mostly 0.7")
    add_label(verb, "that of the fit, or else each seed draws its own")


def add_drawing(verb: Parser, words: str = "where the pictures go") -> None:
    """Add what verbs that draw samples have last: samples, the folder of results, device, JSON."""
    add_samples(verb)
    add_out(verb, words)
    add_device(verb)
    add_json(verb)


def add_refine(verb: Parser) -> None:
    """Add whether parts are those of each sample."""
    verb.add_argument(
        "--refine",
        action="store_true",
        help="fit the parts to each sample first (default: the parts that all samples share)",
    )


def add_truncation(verb: Parser, default: float | None, words: str) -> None:
    """Add the truncation, also as ``--psi``."""
    verb.add_argument(
        *("--truncation", "--psi"),
        type=finite,
        default=default,
        metavar="PSI",
        help="1 leaves samples as they are, 0 gives their mean, -1 their opposites; from -2 to 2"
        f" (default: {words})",
    )


def add_skip(verb: Parser) -> None:
    """Add what a running image does with edited features."""
    verb.add_argument(
        "--skip",
        choices=SKIPS,
        help="for generators that add up their image layer by layer: live paints the edited layer"
        " with the new features; keep and drop with the old ones, and drop then discards the image"
        " so far, as the released code does (default: live)",
    )


def add_label(verb: Parser, default: str = "each seed draws its own") -> None:
    """Add the class or text: one for all samples, or once for each of them."""
    verb.add_argument(
        "--label",
        action="append",
        metavar="LABEL",
        help="the class, a number or the name that panda info shows, or the text of a generator"
        f" that takes any; given several times, one for each sample (default: {default})",
    )


def label_of(options: argparse.Namespace) -> str | list[str] | None:
    """Return the label of all samples, one for each, or None."""
    given: list[str] | None = options.label
    return given[0] if given and len(given) == 1 else given


def add_out(verb: Parser, words: str, default: str | None = None) -> None:
    """Add where results go."""
    verb.add_argument(
        "--out",
        type=Path,
        required=default is None,
        default=None if default is None else Path(default),
        metavar="DIR",
        help=words + ("" if default is None else " (default: %(default)s)"),
    )


def add_device(verb: Parser) -> None:
    """Add where it runs."""
    verb.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: cpu)")


def add_json(verb: Parser) -> None:
    """Add whether results are for programs."""
    verb.add_argument(
        "--json", action="store_true", help="print one JSON object to stdout and nothing else"
    )

"""Options that many verbs have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module


def finite(text: str) -> float:
    """A number that is neither NaN nor infinite nor absurd."""
    value = float(text)
    if not abs(value) < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number below 1e9")
    return value


def add_device(verb: argparse.ArgumentParser) -> None:
    """Where it runs."""
    verb.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")


def add_json(verb: argparse.ArgumentParser) -> None:
    """Whether results are for programs."""
    verb.add_argument("--json", action="store_true", help="print JSON to stdout")


def later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Import a verb's module only when the verb runs."""

    def run(options: argparse.Namespace) -> int:
        return getattr(import_module(f"panda.cli.{module}"), function)(options) or 0

    return run

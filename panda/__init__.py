"""Unsupervised parts and appearances of any pretrained image generator.

``import panda`` is cheap: torch is imported by the first name that needs it.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from panda.environment import prepare

__version__ = "0.1.0"

if TYPE_CHECKING:
    from panda.errors import PandaError
    from panda.generators.architecture import Architecture
    from panda.generators.card import Card
    from panda.generators.contract import Generator, Latents, Layer, State
    from panda.generators.hookspecs import hookimpl
    from panda.generators.registry import create_generator, list_generators

# Here, since every command, worker, test and script of ours comes by before it loads torch.
prepare(os.environ)

_HOMES = {
    "errors": ["PandaError"],
    "generators.architecture": ["Architecture"],
    "generators.card": ["Card"],
    "generators.contract": ["Generator", "Latents", "Layer", "State"],
    "generators.hookspecs": ["hookimpl"],
    "generators.registry": ["create_generator", "list_generators"],
}

__all__ = [
    "Architecture",
    "Card",
    "Generator",
    "Latents",
    "Layer",
    "PandaError",
    "State",
    "create_generator",
    "hookimpl",
    "list_generators",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"panda.{module}"), name)
    raise AttributeError(f"module 'panda' has no attribute {name!r}")

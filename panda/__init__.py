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
    from panda import images
    from panda.comparison import compare
    from panda.editing.apply import edit_images
    from panda.editing.edits import Edit
    from panda.editing.localize import localize_images as localize
    from panda.editing.refine import refine_images as refine
    from panda.editing.remove import remove_images
    from panda.errors import PandaError
    from panda.factorization.factors import Factors
    from panda.factorization.fit import fit
    from panda.generators.architecture import Architecture
    from panda.generators.card import Card
    from panda.generators.contract import Generator, Latents, Layer, State
    from panda.generators.hookspecs import hookimpl
    from panda.generators.options import Option
    from panda.generators.places import Place
    from panda.generators.registry import create_generator, list_generators
    from panda.generators.steps import Steps
    from panda.generators.torch_module import TorchModule
    from panda.inversion import invert
    from panda.walks import walk

# Here, since every command, worker, test and script of ours comes by before it loads torch.
prepare(os.environ)

_SOURCES = {
    "Architecture": "generators.architecture:Architecture",
    "Card": "generators.card:Card",
    "Edit": "editing.edits:Edit",
    "Factors": "factorization.factors:Factors",
    "Generator": "generators.contract:Generator",
    "Latents": "generators.contract:Latents",
    "Layer": "generators.contract:Layer",
    "Option": "generators.options:Option",
    "PandaError": "errors:PandaError",
    "Place": "generators.places:Place",
    "State": "generators.contract:State",
    "Steps": "generators.steps:Steps",
    "TorchModule": "generators.torch_module:TorchModule",
    "compare": "comparison:compare",
    "create_generator": "generators.registry:create_generator",
    "edit_images": "editing.apply:edit_images",
    "fit": "factorization.fit:fit",
    "hookimpl": "generators.hookspecs:hookimpl",
    "images": "images:",
    "invert": "inversion:invert",
    "list_generators": "generators.registry:list_generators",
    "localize": "editing.localize:localize_images",
    "refine": "editing.refine:refine_images",
    "remove_images": "editing.remove:remove_images",
    "walk": "walks:walk",
}
"""Where each public name comes from: ``module:name``, or ``module:`` for a module itself."""

__all__ = [
    "Architecture",
    "Card",
    "Edit",
    "Factors",
    "Generator",
    "Latents",
    "Layer",
    "Option",
    "PandaError",
    "Place",
    "State",
    "Steps",
    "TorchModule",
    "__version__",
    "compare",
    "create_generator",
    "edit_images",
    "fit",
    "hookimpl",
    "images",
    "invert",
    "list_generators",
    "localize",
    "refine",
    "remove_images",
    "walk",
]


if not TYPE_CHECKING:  # to a type checker it would mean that every name exists

    def __getattr__(name: str) -> Any:
        if name not in _SOURCES:
            raise AttributeError(f"module 'panda' has no attribute {name!r}")
        module, _, attribute = _SOURCES[name].partition(":")
        source = import_module(f"panda.{module}")
        return getattr(source, attribute) if attribute else source


def __dir__() -> list[str]:
    return sorted(__all__)

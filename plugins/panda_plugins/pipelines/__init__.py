"""Pipelines of diffusers: UNets, transformers and decoders of latents, behind the contract.

Folders are those of ``save_pretrained``: of a whole pipeline, or of one model. diffusers and
transformers are imported when one is built (``pip install 'panda-parts[diffusers]'``), and no code
of a folder is run: of its classes, only those that are named in `kinds` are built.

Layers are places x steps: ``mid@10``, and ``up.1@*`` for all steps at once; after the steps come
those of the decoder, ``vae.mid`` and ``vae.up.0``. Those of a transformer are ``block.0``, ...
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from panda.generators.architecture import Architecture
from panda.generators.hookspecs import hookimpl
from panda.generators.options import Option

from .kinds import KINDS, SAMPLERS, Kind


def _options(kind: Kind) -> dict[str, Option]:
    """Return with what a kind of pipeline can be loaded."""
    options: dict[str, Option] = {}
    if kind.steps:
        options["steps"] = Option(20, "how many steps the sampler takes", low=1, high=1000)
        samplers = ("own", *SAMPLERS)
        options["scheduler"] = Option("own", "the sampler; own is the folder's", samplers)
    if kind.guidance:
        about = "the scale of classifier-free guidance; 1 is none"
        options["guidance"] = Option(kind.guidance, about, low=1, high=100)
    return options


def _architecture(kind: Kind) -> Architecture:
    """Return the architecture of a kind; the module that builds it is imported by the first."""

    def build(*file: Any, **options: Any) -> Any:
        return import_module(f"{__name__}.checkpoint").from_checkpoint(kind, *file, **options)

    return Architecture(
        lambda checkpoint: checkpoint.config.get("_class_name") in kind.classes,
        build,
        options=_options(kind),
    )


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Return an architecture for each kind of pipeline, since each has options of its own."""
    return {name: _architecture(kind) for name, kind in KINDS.items()}

"""``panda list``, ``info``, ``fetch``, ``plugins`` and ``edits``: what there is, without torch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from panda.cli.options import Parser, Verbs, add_generator, add_json, add_verb, existing
from panda.cli.output import print_json, say
from panda.editing.edit_files import facts_of, read_edits, zoos
from panda.errors import PandaError, nearest
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.options import Option, read_options, text_of
from panda.generators.registry import (
    cards,
    create_generator,
    find_card,
    full_name,
    is_file,
    list_generators,
    plugins,
    recognize,
    refer,
)
from panda.notes import note
from panda.shapes import CHANNELS, size_text

LONGEST = 2000
"""Letters of a file's config that are shown."""

CLASSES = 12
"""How many classes ``panda info`` names."""


def add(verbs: Verbs[Parser]) -> None:
    """Add the verbs."""
    verb = add_verb(
        verbs,
        "list",
        show_list,
        "list generators",
        "List the generators that plugins bring, by architecture and license, and whether their"
        " weights are on this machine.",
        "panda list 'mini-*'\npanda list ffhq",
    )
    verb.add_argument(
        "pattern",
        metavar="PATTERN",
        nargs="?",
        default="*",
        help="names, such as 'stylegan*', or what they contain, such as ffhq (default: all)",
    )
    add_json(verb)

    verb = add_verb(
        verbs,
        "info",
        show_info,
        "show a generator's card and layers",
        "Show what is known of a generator, its layers with the size of their features, and the"
        " slots of its w, if it has w. A checkpoint file is recognized by its content.",
        "panda info mini-stylegan2-faces-64",
    )
    add_generator(verb)
    add_json(verb)

    verb = add_verb(
        verbs,
        "fetch",
        fetch,
        "download weights into the cache",
        "Download the weights of generators into the cache, check them, and print where they are."
        " A download that was stopped resumes.",
        "panda fetch stylegan3-t-ffhq-1024\n"
        "panda fetch stylegan2-ffhq-1024 --file stylegan2-ffhq-config-f.pkl",
    )
    verb.add_argument(
        "generators", nargs="+", metavar="NAME", help="names or patterns such as 'stylegan3-t-*'"
    )
    verb.add_argument(
        "--file",
        type=existing,
        metavar="COPY",
        help="take this copy of the file (default: download it)",
    )
    add_json(verb)

    verb = add_verb(
        verbs,
        "plugins",
        show_plugins,
        "list plugins and whether they work",
        "List every plugin with the package it comes from and what it brings, or the error that"
        " keeps it from loading.",
        "panda plugins",
    )
    add_json(verb)

    verb = add_verb(
        verbs,
        "edits",
        show_edits,
        "list named edits",
        "List the named edits of an edit zoo: the generator, the layer and the edits themselves.",
        "panda edits\npanda edits zoo.json",
    )
    verb.add_argument(
        "zoo",
        metavar="FILE",
        nargs="?",
        type=existing,
        help="an edit zoo in JSON (default: those that come with generators)",
    )
    add_json(verb)


def show_list(options: argparse.Namespace) -> None:
    """Print the generators that match a pattern."""
    known = cards()
    names = list_generators(options.pattern) or list_generators(f"*{options.pattern}*")
    if not names:
        raise PandaError(
            f"no generator matches {options.pattern!r}{nearest(options.pattern, known)}"
        )
    rows = [{"name": name, **_facts(known[name])} for name in names]
    if options.json:
        print_json({"generators": rows})
        return
    width = max(len(name) for name in names)

    def group(row: dict[str, Any]) -> str:
        return f"{row['architecture']} · {row['license']} · {row['origin']}"

    for title, members in groupby(sorted(rows, key=group), group):
        say(title)
        for row in members:
            state = "cached" if row["cached"] else "-"
            kind = _kind(row)
            say(f"  {row['name']:{width}}  {row['dataset']:12}  {kind:16}  {state}")


def fetch(options: argparse.Namespace) -> None:
    """Bring weights into the cache and print where they are."""
    names = []
    for given in options.generators:
        pattern = refer(given).name  # weights are the same for all options and classes
        if not (matches := list_generators(pattern)):
            find_card(pattern)  # raises an error with the nearest names
        names += matches
    if options.file and len(names) != 1:
        raise PandaError(f"--file is a copy of one generator's weights; {len(names)} were named")
    paths: dict[str, Path | None] = {}
    for name in names:
        weights = find_card(name).weights
        if weights is None:
            note(f"{name} needs no weights")
        else:
            weights.fetch(options.file)
            if not options.json:
                say(str(weights.path))
        paths[name] = None if weights is None else weights.path
    if options.json:
        print_json({"weights": paths})


def show_edits(options: argparse.Namespace) -> None:
    """Print named edits: of a file, or those that come with generators."""
    found = [read_edits(options.zoo)] if options.zoo else zoos()
    edits = [(name, edit) for zoo in found for name, edit in zoo.items()]
    if options.json:
        print_json({"edits": [{"name": name, **facts_of(edit)} for name, edit in edits]})
        return
    width = max((len(name) for name, _ in edits), default=0)
    for name, edit in edits:
        effect = f"  {edit.effect}" if edit.effect else ""
        say(f"{name:{width}}  {edit.generator} {edit.layer}  {', '.join(edit.edits)}{effect}")


def show_info(options: argparse.Namespace) -> None:
    """Print one generator's card and layers."""
    reference = refer(options.generator)
    if is_file(reference.name):
        facts, declared, known, slots = _file_facts(options.generator)
    else:
        card = find_card(reference.name)
        facts = {"name": full_name(options.generator), **_facts(card)}
        declared, known, slots = card.options, card.layers, card.slots
    settings = _option_facts(declared, reference.options)
    layers = [{**asdict(layer), "positions": layer.positions} for layer in known]
    if options.json:
        print_json({**facts, "options": settings, "layers": layers, "slots": slots})
        return
    for name, value in _shown(facts).items():
        say(f"{name:12} {value}")
    if settings:
        say("", f"{'option':12} {'value':>11}  about")
    for row in settings:
        about = f"{row['about']}: {row['takes']} (default: {text_of(row['default'])})"
        say(f"{row['name']:12} {text_of(row['value']):>11}  {about}")
    if not layers:
        return
    say("", f"{'layer':12} {'channels':>8} {'size':>11} {'margin':>6}")
    for layer in known:
        size = f"{layer.height} x {layer.width}"
        say(f"{layer.name:12} {layer.channels:8} {size:>11} {layer.margin:6}")
    if slots:
        say("", "slots of w   " + ", ".join(f"{k} {slot}" for k, slot in enumerate(slots)))


def show_plugins(options: argparse.Namespace) -> None:
    """Print every plugin, also the broken ones."""
    rows: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "generators": sorted(plugin.cards),
            "opens": sorted(plugin.architectures),
            "scores": sorted(plugin.scores),
            "error": plugin.error,
        }
        for plugin in plugins()
    ]
    if options.json:
        print_json({"plugins": rows})
        return
    for row in rows:
        opens = [f"{name} files" for name in row["opens"]]
        scores = [f"score {name}" for name in row["scores"]]
        state = row["error"] or ", ".join([*row["generators"], *opens, *scores])
        say(f"{row['name']}  {row['distribution']} {row['version']}  {state}")


def _file_facts(
    name: str,
) -> tuple[dict[str, Any], Mapping[str, Option], tuple[Layer, ...], tuple[str, ...]]:
    """Return what is in a checkpoint file (container, architecture, size).

    Also the options with which it can be opened, its layers and slots.
    """
    from panda.checkpoints.read import read_checkpoint
    from panda.generators.latent_spaces import has_w, w_space

    checkpoint = read_checkpoint(Path(refer(name).name))
    architecture, kind = recognize(checkpoint)
    generator = create_generator(name)
    facts = {
        "name": name,
        "container": checkpoint.container,
        "architecture": architecture,
        "size": list(generator.size),
        "channels": generator.channels,
        "tensors": len(checkpoint.tensors),
        "parameters": sum(tensor.numel() for tensor in checkpoint.tensors.values()),
        "config": dict(checkpoint.config),
        "set": dict(checkpoint.options),
        "labels": generator.labels if isinstance(generator.labels, str) else list(generator.labels),
    }
    slots = w_space(generator, "slots").slots if has_w(generator) else ()
    return facts, kind.options, tuple(generator.layers.values()), slots


def _kind(row: dict[str, Any]) -> str:
    """Return the size of images, and their kind where it is not RGB: ``"64 x 128 gray"``."""
    kind = "" if row["channels"] == 3 else f" {CHANNELS[row['channels']]}"
    return f"{size_text(row['size'])}{kind}"


def _facts(card: Card) -> dict[str, Any]:
    """Return what a card says, as plain values."""
    return {
        "architecture": card.architecture,
        "dataset": card.dataset,
        "size": list(card.size),
        "channels": card.channels,
        "license": card.license,
        "origin": card.origin,
        "weights": card.weights.source.description if card.weights else "",
        "cached": card.weights is None or card.weights.cached,
        "labels": card.labels if isinstance(card.labels, str) else list(card.labels),
        "notes": card.notes,
        "edits": list(read_edits(card.edits)) if card.edits else [],
    }


def _option_facts(options: Mapping[str, Option], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what options of loading there are, with their values, as plain values."""
    values = read_options(options, given, "it")
    return [
        {
            "name": name,
            "value": values[name],
            "default": option.default,
            "takes": option.takes,
            "about": option.about,
        }
        for name, option in options.items()
    ]


def _shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts for people: sizes, and the numbers of classes, of many the first."""
    shown = {**facts, "size": size_text(facts["size"])}
    if isinstance(labels := facts.get("labels"), list):
        named = [f"{number} {name}" for number, name in enumerate(labels[:CLASSES])]
        more = f", ... ({len(labels)}; --json lists all)" if labels[CLASSES:] else ""
        shown["labels"] = (", ".join(named) or "none") + more
    if (config := facts.get("config")) and len(str(config)) > LONGEST:  # as of a tokenizer
        shown["config"] = f"{str(config)[:LONGEST]}... (--json has all)"
    return shown

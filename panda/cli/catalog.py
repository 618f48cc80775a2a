"""``panda list``, ``info``, ``plugins`` and ``edits``: cheap, no torch; and ``panda fetch``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from panda.editing.edit_files import named_edits, read_edits
from panda.errors import PandaError, nearest
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.registry import (
    cards,
    create_generator,
    find_card,
    is_file,
    list_generators,
    plugins,
    recognize,
)


def show_list(options: argparse.Namespace) -> None:
    """Print the generators that match a pattern."""
    known = cards()
    names = list_generators(options.pattern)
    if not names:
        raise PandaError(
            f"no generator matches {options.pattern!r}{nearest(options.pattern, known)}"
        )
    rows = [{"name": name, **_facts(known[name])} for name in names]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    width = max(len(name) for name in names)

    def group(row: dict[str, Any]) -> str:
        return f"{row['architecture']} · {row['license']} · {row['origin']}"

    for title, members in groupby(sorted(rows, key=group), group):
        print(title)
        for row in members:
            here = "cached" if row["cached"] else "-"
            print(f"  {row['name']:{width}}  {row['dataset']:12}  {row['resolution']:4}  {here}")


def fetch(options: argparse.Namespace) -> None:
    """Bring weights into the cache and print where they are."""
    names = []
    for pattern in options.generators:
        if not (found := list_generators(pattern)):
            find_card(pattern)  # says what is near
        names += found
    if options.file and len(names) != 1:
        raise PandaError(f"--file is a copy of one generator's weights; {len(names)} were named")
    for name in names:
        weights = find_card(name).weights
        if weights is None:
            print(f"{name} needs no weights", file=sys.stderr)
            continue
        weights.fetch(options.file)
        print(weights.path)


def show_edits(options: argparse.Namespace) -> None:
    """Print named edits: of a file, or those that come with generators."""
    zoo = read_edits(options.zoo) if options.zoo else named_edits()
    if options.json:
        print(json.dumps({name: asdict(edit) for name, edit in zoo.items()}, indent=1))
        return
    width = max((len(name) for name in zoo), default=0)
    for name, edit in zoo.items():
        what = ", ".join(edit.edits)
        print(f"{name:{width}}  {edit.generator} {edit.layer}  {what}")


def show_info(options: argparse.Namespace) -> None:
    """Print one generator's card and layers."""
    if is_file(options.generator):
        facts, known = _file_facts(options.generator)
    else:
        card = find_card(options.generator)
        facts, known = {"name": options.generator, **_facts(card)}, card.layers
    layers = [{**asdict(layer), "positions": layer.positions} for layer in known]
    if options.json:
        print(json.dumps({**facts, "layers": layers}, indent=1))
        return
    for name, value in facts.items():
        print(f"{name:12} {value}")
    if not layers:
        return
    print(f"\n{'layer':12} {'channels':>8} {'size':>11} {'margin':>6}")
    for layer in known:
        size = f"{layer.height} x {layer.width}"
        print(f"{layer.name:12} {layer.channels:8} {size:>11} {layer.margin:6}")


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
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        opens = [f"{name} files" for name in row["opens"]]
        scored = [f"score {name}" for name in row["scores"]]
        state = row["error"] or ", ".join([*row["generators"], *opens, *scored])
        print(f"{row['name']}  {row['distribution']} {row['version']}  {state}")


def _file_facts(path: str) -> tuple[dict[str, Any], tuple[Layer, ...]]:
    """What is in a checkpoint file: its container, its architecture, its layers."""
    from panda.checkpoints.read import read_checkpoint

    checkpoint = read_checkpoint(Path(path))
    architecture, _ = recognize(checkpoint)
    generator = create_generator(path)
    facts = {
        "name": path,
        "container": checkpoint.container,
        "architecture": architecture,
        "resolution": generator.resolution,
        "tensors": len(checkpoint.tensors),
        "parameters": sum(tensor.numel() for tensor in checkpoint.tensors.values()),
        "config": dict(checkpoint.config),
    }
    return facts, tuple(generator.layers.values())


def _facts(card: Card) -> dict[str, Any]:
    return {
        "architecture": card.architecture,
        "dataset": card.dataset,
        "resolution": card.resolution,
        "license": card.license,
        "origin": card.origin,
        "weights": card.weights.source.description if card.weights else "",
        "cached": card.weights is None or card.weights.cached,
        "notes": card.notes,
        "edits": list(read_edits(card.edits)) if card.edits else [],
    }

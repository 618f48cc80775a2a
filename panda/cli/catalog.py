"""``panda list``, ``info`` and ``plugins``: cheap, no torch."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from panda.errors import PandaError, nearest
from panda.registry import cards, find_card, list_generators, plugins
from panda.zoo import Card


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
    for row in rows:
        here = "cached" if row["cached"] else "not cached"
        print(f"{row['name']:{width}}  {row['architecture']}, {row['dataset']}, {here}")


def show_info(options: argparse.Namespace) -> None:
    """Print one generator's card and layers."""
    card = find_card(options.generator)
    facts = {"name": options.generator, **_facts(card)}
    layers = [{**asdict(layer), "positions": layer.positions} for layer in card.layers]
    if options.json:
        print(json.dumps({**facts, "layers": layers}, indent=1))
        return
    for name, value in facts.items():
        print(f"{name:12} {value}")
    print(f"\n{'layer':12} {'channels':>8} {'size':>11} {'margin':>6}")
    for layer in card.layers:
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
            "error": plugin.error,
        }
        for plugin in plugins()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        state = row["error"] or ", ".join(row["generators"]) or "no generators"
        print(f"{row['name']}  {row['distribution']} {row['version']}  {state}")


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
    }

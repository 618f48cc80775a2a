"""``panda parts``: where each part is, in pictures."""

from __future__ import annotations

import argparse

from panda.cli.options import Parser, Verbs, add_drawing, add_factors, add_refine, add_verb
from panda.cli.output import say

CURVES = "numbers.html"
"""Where the curves are drawn from which a fit chose its numbers of parts and appearances."""


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "parts",
        run,
        "show every part on some samples",
        "Draw a sheet with a row for each sample: the sample, then each part lit in it, stable"
        " parts first. Parts have names once panda name has run. Where the fit chose the number of"
        f" parts or appearances, {CURVES} shows what from.",
        "panda parts faces --seeds 0-3 --out parts",
    )
    add_factors(verb)
    add_refine(verb)
    add_drawing(verb)


def run(options: argparse.Namespace) -> None:
    """Draw a row for each sample: the sample, then each part lit in it."""
    from panda.cli.rendering import Rendering, part_titles
    from panda.editing.refine import refine
    from panda.factorization.display import page_of_curves
    from panda.images import spotlight, to_picture

    rendering = Rendering(options)
    factors = rendering.factors
    titles = part_titles(factors)
    with rendering.results(["sample", *titles]) as results:
        areas = factors.masks.mean((1, 2)).tolist()
        names = factors.part_names or [None] * len(areas)
        stability = factors.part_stability or [None] * len(areas)
        results.facts["parts"] = [
            {"part": part, "name": name, "area": area, "stability": stable}
            for part, (name, area, stable) in enumerate(zip(names, areas, stability, strict=True))
        ]
        if factors.curves:
            ranks = dict(zip(("appearances", "parts"), factors.spread.shape, strict=True))
            title = f"{factors.layer.name} of {factors.generator}"
            page_of_curves(title, factors.curves, ranks).save(results.work / CURVES)
        for chunk in rendering.chunks():
            masks = factors.masks.expand(len(chunk.numbers), -1, -1, -1)
            if options.refine:
                masks = factors.as_masks(refine(factors, chunk.state.x))
            for number, image, parts in zip(chunk.numbers, chunk.before, masks, strict=True):
                picture = to_picture(image, rendering.thumb)
                shown = (spotlight(picture, parts[part]) for part in factors.stable_parts)
                results.rows.append([picture, *shown])
                results.samples[number] = {"areas": parts.mean((1, 2)).tolist()}
    if factors.part_names and not options.json:
        say(*titles)

"""``panda localize``: where an appearance is."""

from __future__ import annotations

import argparse
import re

from panda.cli.options import Parser, Verbs, add_drawing, add_factors, add_verb
from panda.errors import PandaError

THRESHOLDS = ("otsu", "mean")
"""Those of `panda.editing.localize`, without importing torch."""


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "localize",
        run,
        "show where an appearance is",
        "Draw a concept map for each sample, which says where an appearance is, and write the mask"
        " above a threshold at full resolution.",
        "panda localize faces --seeds 0-3 --out background\n"
        "panda localize faces --appearance p0 --part hair --out hair",
    )
    add_factors(verb)
    verb.add_argument(
        "--appearance",
        default="bg",
        help="a number, p0, p1, ... with --part, or bg: background (default: bg)",
    )
    verb.add_argument(
        "--part", help="the part that p0, p1, ... are of, by number or name (default: none)"
    )
    verb.add_argument(
        "--threshold",
        choices=THRESHOLDS,
        default="otsu",
        help="otsu splits each map best; mean is the mean over the samples of the fit"
        " (default: otsu)",
    )
    add_drawing(verb, "where pictures and masks go")


def run(options: argparse.Namespace) -> None:
    """Draw concept maps and save their masks."""
    from panda.cli.rendering import Rendering
    from panda.editing.localize import localize
    from panda.images import heat_picture, mask_picture, spotlight, to_picture

    text = options.appearance
    appearance = int(text) if text.isdecimal() and len(text) < 7 else text
    if options.part is None and re.fullmatch("p[0-9]+", text):
        raise PandaError(
            f"--appearance {text:.80} belongs to one part; say which, such as --part 0"
        )
    rendering = Rendering(options)
    factors = rendering.factors
    parts = () if options.part is None else factors.find_parts(options.part)
    if len(parts) > 1:
        raise PandaError(
            f"--part {options.part!r:.80} names parts {', '.join(map(str, parts))}; expected one"
        )
    factors.vector(appearance, parts)  # raises an error before anything is rendered
    with rendering.results(["sample", "concept map", "mask"]) as results:
        results.facts["appearance"] = appearance
        results.facts["part"] = parts[0] if parts else None
        for chunk in rendering.chunks():
            maps, masks = localize(
                factors,
                chunk.state.x,
                appearance,
                part=parts[0] if parts else None,
                size=rendering.generator.size,
                threshold=options.threshold,
            )
            rows = zip(chunk.numbers, chunk.before, maps, masks.float(), strict=True)
            for number, image, heat, mask in rows:
                picture = to_picture(image, rendering.thumb)
                results.save(number, mask_picture(mask), area=float(mask.mean()))
                map_picture = heat_picture(heat, rendering.thumb)
                results.rows.append([picture, map_picture, spotlight(picture, mask)])

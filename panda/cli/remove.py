"""``panda remove``: parts, or the whole object, replaced by background."""

from __future__ import annotations

import argparse

from panda.cli.options import (
    Parser,
    Verbs,
    add_device,
    add_factors,
    add_json,
    add_out,
    add_samples,
    add_skip,
    add_verb,
    finite,
)


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "remove",
        run,
        "replace the object by background",
        "Replace the object, or some of its parts, by the background of the same image.",
        "panda remove faces --seeds 0-3 --out removed\npanda remove faces --parts hair --out bald",
    )
    add_factors(verb)
    verb.add_argument(
        "--parts", help="such as 0, 0,2, 0+2, 5-7 or hair (default: the whole object)"
    )
    verb.add_argument(
        "--strength",
        type=finite,
        default=1.2,
        help="of the background, in typical norms of a feature (default: %(default)s)",
    )
    add_samples(verb)
    add_skip(verb)
    add_out(verb, "where the pictures go")
    add_device(verb)
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Replace parts, or the whole object, by background."""
    from panda.cli.rendering import COMPARED, Rendering
    from panda.editing.remove import remove

    rendering = Rendering(options)
    rendering.set_skip(options.skip)
    factors = rendering.factors
    parts = None if options.parts is None else factors.find_parts(options.parts)
    with rendering.results(COMPARED) as results:
        results.facts["parts"] = parts
        for chunk in rendering.chunks():
            x = remove(factors, chunk.state.x, parts, strength=options.strength)
            results.compare(chunk, rendering.finish(chunk.state, x))

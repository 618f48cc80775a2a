"""``panda remove``: parts, or the whole object, replaced by what is around them."""

from __future__ import annotations

import argparse

from panda.cli.options import Parser, Verbs, add_drawing, add_factors, add_skip, add_verb, finite
from panda.editing.syntax import STRENGTH
from panda.errors import PandaError
from panda.report.commands import panda_command


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "remove",
        run,
        "replace the object by its surroundings",
        "Continue the surroundings of the object, or of some of its parts, into their place.",
        "panda remove faces --seeds 0-3 --out removed\npanda remove faces --parts hair --out bald",
    )
    add_factors(verb)
    verb.add_argument(
        "--parts", help="such as 0, 0,2, 0+2, 5-7 or hair (default: the whole object)"
    )
    verb.add_argument(
        "--strength",
        type=finite,
        default=STRENGTH,
        help="the share that goes, 0 to 1 (default: %(default)g)",
    )
    add_skip(verb)
    add_drawing(verb)


def run(options: argparse.Namespace) -> None:
    """Replace parts, or the whole object, by what is around them."""
    from panda.cli.rendering import COMPARED, Rendering
    from panda.editing.places import is_place
    from panda.editing.remove import remove

    rendering = Rendering(options)
    rendering.set_skip(options.skip)
    factors = rendering.factors
    if is_place(options.parts or ""):
        edit = panda_command("edit", options.factors, "--edit", f"{options.parts}:remove:1")
        raise PandaError(
            f"--parts {options.parts!r:.80} names a place that is none of parts; '{edit}' removes"
            " what is there"
        )
    parts = None if options.parts is None else factors.find_parts(options.parts)
    with rendering.results(COMPARED) as results:
        results.facts["parts"] = parts
        for chunk in rendering.chunks():
            x = remove(factors, chunk.state.x, parts, strength=options.strength)
            state = chunk.state.with_features(x)
            results.compare(chunk, rendering.finish(chunk, state, rendering.layer))

"""``panda refine``: parts fitted to single samples."""

from __future__ import annotations

import argparse

from panda.cli.options import Parser, Verbs, add_drawing, add_factors, add_verb


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "refine",
        run,
        "fit the parts to single samples",
        "Fit the parts to each sample, from the ones that all samples share, and write both as"
        " pictures and the refined parts as parts.safetensors.",
        "panda refine faces --seeds 3 --out refined",
    )
    add_factors(verb)
    add_drawing(verb, "where pictures and parts go")


def run(options: argparse.Namespace) -> None:
    """Fit the parts to single samples; draw them below the ones that all samples share."""
    import torch

    from panda.checkpoints.tensors import save_tensors
    from panda.cli.rendering import Rendering, part_titles
    from panda.editing.refine import refine
    from panda.images import mask_picture, to_picture

    rendering = Rendering(options)
    factors, size = rendering.factors, rendering.thumb
    refined = []
    columns = ["sample", *part_titles(factors)]
    with rendering.results(columns, rows=["shared", "refined"]) as results:
        for chunk in rendering.chunks():
            parts = refine(factors, chunk.state.x)
            refined.append(parts.cpu())
            masks = factors.as_masks(parts)
            for number, image, mine in zip(chunk.numbers, chunk.before, masks, strict=True):
                picture = to_picture(image, size)
                for shown in (factors.masks, mine):
                    pictures = (mask_picture(shown[part], size) for part in factors.stable_parts)
                    results.rows.append([picture, *pictures])
                results.samples[number] = {"areas": mine.mean((1, 2)).tolist()}
        save_tensors(results.work / "parts.safetensors", {"parts": torch.cat(refined)}, {})
        results.facts["parts"] = rendering.out / "parts.safetensors"

"""``panda invert``: latents of a generator for photographs."""

from __future__ import annotations

import argparse
import sys

from panda.generators.registry import create_generator
from panda.inversion import Inversion, invert
from panda.inversion.alignment import to_pictures
from panda.inversion.coordinates import check_space
from panda.inversion.photograph import read_photograph


def run(options: argparse.Namespace) -> None:
    """Read and align the photographs, search their latents, and save them."""
    Inversion.check_folder(options.out)
    photographs = [(str(path), read_photograph(path)) for path in options.photographs]
    generator = create_generator(options.generator, device=options.device)
    check_space(generator, options.space)
    pictures = to_pictures(generator, photographs, align=options.align)
    found = invert(
        generator,
        pictures,
        space=options.space,
        steps=options.steps,
        label=options.label,
        seed=options.seed,
        names=[name for name, _ in photographs],
    )
    found.save(options.out)
    for name, lpips, pixels in zip(found.names, found.lpips, found.pixels, strict=True):
        print(f"{name}: LPIPS {lpips:.3f}, pixels {pixels:.3f}", file=sys.stderr)
    print(
        f"{options.out / 'sheet.png'} (columns: picture, found again, difference;"
        f" {found.config['seconds']:.0f} s)",
        file=sys.stderr,
    )
    if options.json:
        print((options.out / "config.json").read_text(), end="")

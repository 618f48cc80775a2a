"""Make the picture of docs/inversion.md from the results of benchmarks/inversion.py:

    python benchmarks/inversion_picture.py inverted faces --out docs/inversion.png

The columns show the photograph, its reconstruction, and each local edit, applied separately.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from panda import create_generator
from panda.editing.apply import edit_images
from panda.editing.edits import Edit
from panda.factorization.factors import Factors
from panda.images import save_picture, sheet, to_picture
from panda.inversion import Inversion


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inverted", type=Path)
    parser.add_argument("factors", type=Path)
    parser.add_argument("--pictures", default="collins")
    parser.add_argument("--edits", default="0:p0:-12sd,7:p0:8sd")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    factors = Factors.load(options.factors)
    generator = create_generator(factors.generator)
    edits = [Edit.parse(text) for text in options.edits.split(",")]
    rows = []
    with torch.no_grad():
        for name in options.pictures.split(","):
            inversion = Inversion.load(options.inverted / name)
            latents = inversion.latents_for(generator)
            edited = [edit_images(generator, factors, latents, [edit])[0] for edit in edits]
            images = [inversion.pictures[0], inversion.reconstructions[0], *edited]
            rows.append([to_picture(image, 256) for image in images])
    save_picture(sheet(rows), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

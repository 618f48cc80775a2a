"""Make the picture of docs/inversion.md from the results of benchmarks/inversion.py:

    python benchmarks/inversion_picture.py inverted --out docs/inversion.png

The columns show each photograph, its reconstruction, and edits by name, each alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from panda import Edit, create_generator, edit_images
from panda.images import save_picture, sheet, to_picture
from panda.inversion import Inversion


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inverted", type=Path)
    parser.add_argument("--pictures", default="collins,obama")
    parser.add_argument("--edits", default="smile,closed_eyes,light_hair,high_brows")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    edits = [Edit(name, 1) for name in options.edits.split(",")]
    rows = []
    with torch.no_grad():
        for name in options.pictures.split(","):
            inversion = Inversion.load(options.inverted / name)
            generator = create_generator(inversion.generator)
            latents = inversion.latents_for(generator)
            edited = [edit_images(generator, None, latents, edit)[0] for edit in edits]
            images = [inversion.pictures[0], inversion.reconstructions[0], *edited]
            rows.append([to_picture(image, 256) for image in images])
    save_picture(sheet(rows), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

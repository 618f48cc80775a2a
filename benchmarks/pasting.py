"""Measure how near pasted edits come to true ones, on samples in place of photographs.

    OMP_NUM_THREADS=1 python benchmarks/pasting.py --seeds 9000 --edits closed_eyes,open_mouth,smile

A sample is inverted as a photograph is. The truth is the edit of the sample itself; what is pasted
is the edit of its inversion. Each row has LPIPS (in the box around the mask) and the root mean
square difference (under the mask, of images in [-1, 1]) to the truth: of the sample as it was, of
the edited inversion with soft edges, of the difference that the edit makes, and of `patch_of`.
"""

from __future__ import annotations

import argparse
import sys

import torch

from panda import create_generator, invert
from panda.editing.apply import edit_images
from panda.generators.contract import Latents
from panda.metrics.lpips import LPIPS
from panda.photographs.paste import patch_of
from panda.report.table import Table

SMALLEST = 96
"""Pixels of a box, at least."""


def ways(photograph, before, after):
    """Yield the name and the image ``[3, H, W]`` of each way to paste, and the mask."""
    patch = patch_of(before, after)
    change = after - before
    moved = (patch.color - patch.opacity * before).abs().sum(0)  # the mask times the change
    mask = (moved / change.abs().sum(0).clamp_min(1e-3)).clamp(0, 1)
    yield "as it was", photograph, mask
    yield "crop", photograph * (1 - mask) + mask * after, mask
    yield "difference", photograph + mask * change, mask
    yield "patch_of", photograph * (1 - patch.opacity) + patch.color, mask


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--seeds", default="9000", help="such as 9000,9001")
    parser.add_argument("--edits", default="closed_eyes,open_mouth,smile")
    options = parser.parse_args()
    generator, lpips = create_generator(options.generator), LPIPS()
    rows = []
    for seed in map(int, options.seeds.split(",")):
        sample = generator.sample([seed], truncation=0.8)
        photograph = generator.forward(sample).clamp(-1, 1)
        found: Latents = invert(generator, photograph, keep=True).latents_for(generator)
        before = generator.forward(found).clamp(-1, 1)[0]
        for name in options.edits.split(","):
            true, after = (
                edit_images(generator, None, latents, name).clamp(-1, 1)[0]
                for latents in (sample, found)
            )
            row = [f"seed {seed}", name]
            for _, image, mask in ways(photograph[0], before, after):
                ys, xs = (mask > 0.5).nonzero(as_tuple=True)
                box = [
                    slice(int(part.min()), max(int(part.max()) + 1, int(part.min()) + SMALLEST))
                    for part in (ys, xs)
                ]
                pair = (each[None, :, box[0], box[1]].clamp(-1, 1) for each in (image, true))
                with torch.no_grad():
                    near = lpips.network.distance(*map(lpips.network.features, pair))
                off = ((image.clamp(-1, 1) - true) * mask).square().sum() / (
                    3 * mask.square().sum()
                )
                row.append(f"{float(near):.3f}, {float(off.sqrt()):.3f}")
            rows.append(row)
            print(*row, sep=" | ", file=sys.stderr, flush=True)
    header = ["photograph", "edit", "as it was", "crop", "difference", "patch_of"]
    print(Table(header, rows).to_markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())

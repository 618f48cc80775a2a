"""How good a generator of faces is: ``python -m training.measure mini-stylegan2-faces-64``.

FID against held-out faces, without truncation; the share of samples in which face parsing finds
both eyes, nose and mouth, without truncation and with the usual one; a grid of samples, and the
nearest training faces of some samples.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from panda import Generator, create_generator
from panda.files.writing import staging
from panda.images import save_picture, sheet, to_picture
from panda.metrics.fid import FeatureMoments, InceptionFeatures, frechet_distance
from panda.metrics.parsing import FaceParser, complete
from panda.progress import bar

from .data import folder, load


def samples(
    generator: Generator, count: int, batch: int, note: str, truncation: float = 1.0
) -> Iterator[Tensor]:
    """Images ``[B, 3, R, R]`` of seeds 0 to ``count`` - 1."""
    with bar(total=count, desc=note, unit="image") as progress:
        for first in range(0, count, batch):
            seeds = list(range(first, min(first + batch, count)))
            latents = generator.sample(seeds, truncation=truncation)
            yield generator.forward(latents).clamp(-1, 1)
            progress.update(len(seeds))


def as_images(faces: Tensor) -> Tensor:
    """uint8 faces as images in [-1, 1]."""
    return faces.float() / 127.5 - 1


def fid(generator: Generator, count: int, batch: int) -> float:
    """Distance of so many samples to all held-out faces."""
    features = InceptionFeatures(generator.device)
    real = _held_out(features, batch)
    drawn = samples(generator, count, batch, "samples")
    return frechet_distance(real, FeatureMoments.gather(features(part).cpu() for part in drawn))


def _held_out(features: InceptionFeatures, batch: int) -> FeatureMoments:
    """The moments of all held-out faces, computed once."""
    faces = load("held-out")
    path = folder() / f"held-out-{len(faces)}.moments"
    if path.exists():
        kept = load_file(path)
        return FeatureMoments(len(faces), kept["mean"], kept["scatter"])
    parts = bar(faces.split(batch), desc="held-out faces")
    found = FeatureMoments.gather(features(as_images(part)).cpu() for part in parts)
    with staging(path) as work:
        save_file({"mean": found.mean, "scatter": found.scatter}, work)
    return found


def whole(generator: Generator, count: int, batch: int, truncation: float) -> float:
    """Share of samples with both eyes, nose and mouth."""
    parser = FaceParser(generator.device)
    drawn = samples(generator, count, batch, f"parsed at psi {truncation:g}", truncation)
    found = [complete(parser(part)) for part in drawn]
    return float(torch.cat(found).float().mean())


def neighbors(generator: Generator, count: int, batch: int) -> Tensor:
    """Samples and their nearest training faces (or mirrored ones), ``[count, 2, 3, R, R]``."""
    faces = as_images(load("train"))
    drawn = torch.cat(list(samples(generator, count, batch, "samples"))).cpu()
    flat = F.avg_pool2d(faces, 2).flatten(1)
    mirrored = F.avg_pool2d(faces.flip(3), 2).flatten(1)
    wanted = F.avg_pool2d(drawn, 2).flatten(1)
    place = torch.cat([torch.cdist(wanted, flat), torch.cdist(wanted, mirrored)], 1).argmin(1)
    near = [faces[k] if k < len(faces) else faces[k - len(faces)].flip(2) for k in place.tolist()]
    return torch.stack([drawn, torch.stack(near)], 1)


def main() -> None:
    """Measure one generator; pictures and figures go to a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", help="name or file")
    parser.add_argument("--samples", type=int, default=10_000, help="for the FID")
    parser.add_argument("--parsed", type=int, default=1_000, help="samples to parse")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    generator = create_generator(options.generator, device=options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    shown = torch.cat(list(samples(generator, 96, options.batch, "grid"))).cpu()
    rows = [[to_picture(image) for image in row] for row in shown.split(12)]
    save_picture(sheet(rows, gap=1), options.out / "samples.png")
    pairs = neighbors(generator, 100, options.batch)
    rows = [[to_picture(image) for image in row.flatten(0, 1)] for row in pairs.split(10)]
    save_picture(sheet(rows, gap=1), options.out / "neighbors.png")
    figures = {
        "generator": options.generator,
        "whole": {
            f"{psi:g}": whole(generator, options.parsed, options.batch, psi)
            for psi in sorted({1.0, generator.usual_truncation})
        },
        "parsed": options.parsed,
        "fid": fid(generator, options.samples, options.batch),
        "samples": options.samples,
        "held-out": len(load("held-out")),
    }
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

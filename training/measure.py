"""Evaluate a generator of faces: ``python -m training.measure mini-stylegan2-faces-64 --out DIR``.

Measures the FID against held-out faces, without truncation, and the share of whole faces, in which
face parsing finds both eyes, nose and mouth, without truncation and with the usual one. Writes a
grid of samples, and the nearest training faces of some samples.
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

from .data import as_images, faces_folder, load_faces


def samples(
    generator: Generator, count: int, batch: int, description: str, truncation: float = 1.0
) -> Iterator[Tensor]:
    """Yield images ``[B, 3, R, R]`` of the seeds 0 to ``count - 1``."""
    with bar(total=count, desc=description, unit="image") as progress:
        for first in range(0, count, batch):
            seeds = list(range(first, min(first + batch, count)))
            latents = generator.sample(seeds, truncation=truncation)
            yield generator.forward(latents).clamp(-1, 1)
            progress.update(len(seeds))


def fid(generator: Generator, count: int, batch: int) -> float:
    """Return the FID of ``count`` samples against all held-out faces."""
    features = InceptionFeatures(generator.device)
    real = held_out_moments(features, batch)
    images = samples(generator, count, batch, "samples")
    return frechet_distance(real, FeatureMoments.gather(features(x).cpu() for x in images))


def held_out_moments(features: InceptionFeatures, batch: int) -> FeatureMoments:
    """Return the moments of all held-out faces; they are computed once and stored."""
    faces = load_faces("held-out")
    path = faces_folder() / f"held-out-{len(faces)}.moments"
    if path.exists():
        stored = load_file(path)
        return FeatureMoments(len(faces), stored["mean"], stored["scatter"])
    batches = bar(faces.split(batch), desc="held-out faces")
    moments = FeatureMoments.gather(features(as_images(x)).cpu() for x in batches)
    with staging(path) as temporary:
        save_file({"mean": moments.mean, "scatter": moments.scatter}, temporary)
    return moments


def whole_share(generator: Generator, count: int, batch: int, truncation: float) -> float:
    """Return the share of whole faces, with both eyes, nose and mouth, among ``count`` samples."""
    parser = FaceParser(generator.device)
    images = samples(generator, count, batch, f"parsing at psi {truncation:g}", truncation)
    whole = [complete(parser(x)) for x in images]
    return float(torch.cat(whole).float().mean())


def neighbors(generator: Generator, count: int, batch: int) -> Tensor:
    """Return samples beside their nearest training faces, ``[count, 2, 3, R, R]``.

    Distances are Euclidean, of pixels at half the resolution; mirrored faces count too.
    """
    faces = as_images(load_faces("train"))
    images = torch.cat(list(samples(generator, count, batch, "samples"))).cpu()
    flat = F.avg_pool2d(faces, 2).flatten(1)
    mirrored = F.avg_pool2d(faces.flip(3), 2).flatten(1)
    queries = F.avg_pool2d(images, 2).flatten(1)
    indices = torch.cat([torch.cdist(queries, flat), torch.cdist(queries, mirrored)], 1).argmin(1)
    nearest = [
        faces[k] if k < len(faces) else faces[k - len(faces)].flip(2) for k in indices.tolist()
    ]
    return torch.stack([images, torch.stack(nearest)], 1)


def main() -> None:
    """Evaluate one generator; write pictures and figures to a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", help="its name or file")
    parser.add_argument("--samples", type=int, default=10_000, help="number of samples for the FID")
    parser.add_argument("--parsed", type=int, default=1_000, help="number of samples to parse")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    options = parser.parse_args()
    generator = create_generator(options.generator, device=options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    grid = torch.cat(list(samples(generator, 96, options.batch, "grid"))).cpu()
    rows = [[to_picture(image) for image in row] for row in grid.split(12)]
    save_picture(sheet(rows, gap=1), options.out / "samples.png")
    pairs = neighbors(generator, 100, options.batch)
    rows = [[to_picture(image) for image in row.flatten(0, 1)] for row in pairs.split(10)]
    save_picture(sheet(rows, gap=1), options.out / "neighbors.png")
    figures = {
        "generator": options.generator,
        "whole": {
            f"{psi:g}": whole_share(generator, options.parsed, options.batch, psi)
            for psi in sorted({1.0, generator.usual_truncation})
        },
        "parsed": options.parsed,
        "fid": fid(generator, options.samples, options.batch),
        "samples": options.samples,
        "held-out": len(load_faces("held-out")),
    }
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

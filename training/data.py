"""The faces that all mini generators are trained on: samples of MobileStyleGAN at 64 x 64.

``python -m training.data`` generates the data set once, in shards, and resumes after an
interruption. Each face has its own seed, so the data set is the same on every machine and for every
batch size.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from panda import create_generator
from panda.files.cache import home
from panda.files.writing import staging
from panda.generators.contract import Latents
from panda.generators.latent_spaces import WSpace, w_space
from panda.progress import bar

SOURCE = "mobilestylegan-ffhq-1024"
RESOLUTION = 64
TRUNCATION = (0.7, 1.0)
"""The range from which each face's own psi is drawn uniformly."""

SHARD = 500
"""The number of faces in a file."""

FIRST_SEED = {"train": 1_000_000, "held-out": 2_000_000}
"""The splits share no seeds with each other, nor with the small seeds that users look at."""


def faces_folder() -> Path:
    """Return the folder of the shards."""
    return home() / "training" / f"faces-{RESOLUTION}"


def build(split: str, count: int, *, batch: int = 4, device: str = "cpu") -> None:
    """Generate the missing shards of a split, in order, until it has ``count`` faces."""
    missing = [k for k in range(-(-count // SHARD)) if not _shard(split, k).exists()]
    if not missing:
        return
    generator = source_generator(device)
    with bar(total=len(missing) * SHARD, desc=f"{split} faces", unit="face") as progress:
        for k in missing:
            first = FIRST_SEED[split] + k * SHARD
            batches = []
            for start in range(first, first + SHARD, batch):
                seeds = range(start, min(start + batch, first + SHARD))
                batches.append(_generate_faces(generator, seeds))
                progress.update(len(seeds))
            with staging(_shard(split, k)) as path, path.open("wb") as file:
                np.save(file, np.concatenate(batches))


def source_generator(device: str = "cpu") -> WSpace:
    """Return the generator that the faces are sampled from."""
    return w_space(create_generator(SOURCE, device=device), "the training set")


def shards(split: str) -> list[Path]:
    """Return the existing files of a split, from the first up to the first gap."""
    paths = (_shard(split, k) for k in itertools.count())
    return list(itertools.takewhile(Path.exists, paths))


def load_faces(split: str, count: int | None = None) -> Tensor:
    """Return the first ``count`` faces of a split, by default all, uint8 ``[N, 3, 64, 64]``."""
    paths = shards(split)
    if not paths or len(paths) * SHARD < (count or 0):
        raise SystemExit(
            f"{faces_folder()} lacks {split} faces; generate them with python -m training.data"
        )
    paths = paths[: None if count is None else -(-count // SHARD)]
    faces = np.concatenate([np.load(path, allow_pickle=False) for path in paths])
    return torch.from_numpy(faces[:count])


def as_images(faces: Tensor) -> Tensor:
    """Return uint8 faces as float32 images in [-1, 1]."""
    return faces.float() / 127.5 - 1


def _shard(split: str, k: int) -> Path:
    return faces_folder() / f"{split}-{k:04d}.npy"


def sample_latents(generator: WSpace, seeds: Sequence[int]) -> Latents:
    """Return the latents of faces, each truncated with its own psi."""
    psi = [np.random.RandomState(seed).uniform(*TRUNCATION) for seed in seeds]
    latents = generator.sample(seeds, truncation=1.0)
    w = latents.tensors["w"]
    w = generator.w_mean.lerp(w, torch.tensor(psi).to(w)[:, None])
    return Latents(latents.seeds, {**latents.tensors, "w": w})


def _generate_faces(generator: WSpace, seeds: Sequence[int]) -> np.ndarray:
    """Return faces, uint8 ``[N, 3, 64, 64]``, averaged down from the generator's resolution."""
    images = generator.forward(sample_latents(generator, seeds))
    images = F.avg_pool2d(images, generator.size[0] // RESOLUTION)
    faces: np.ndarray = images.add(1).mul(127.5).round().clamp(0, 255).byte().cpu().numpy()
    return faces


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=30_000, help="number of training faces")
    parser.add_argument("--held-out", type=int, default=5_000, help="number of held-out faces")
    parser.add_argument("--batch", type=int, default=4, help="faces generated at a time")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.device != "cpu":
        torch.set_float32_matmul_precision("high")
    build("held-out", options.held_out, batch=options.batch, device=options.device)
    build("train", options.train, batch=options.batch, device=options.device)

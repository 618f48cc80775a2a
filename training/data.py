"""The faces that all mini generators learn from: samples of MobileStyleGAN at 64 x 64.

``python -m training.data`` builds the set once, in shards, and goes on where it was stopped.
Every face is made by its own seed, so the set is the same on any machine, in any batch size.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
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
"""Each face has a psi of its own, uniform in this range."""

SHARD = 500
"""Faces in one file."""

FIRST_SEED = {"train": 1_000_000, "held-out": 2_000_000}
"""Far from the small seeds that users look at, and from each other."""


def folder() -> Path:
    """Where the shards lie."""
    return home() / "training" / f"faces-{RESOLUTION}"


def build(split: str, count: int, *, batch: int = 4, device: str = "cpu") -> None:
    """Make the missing shards of a split, in order, until it has ``count`` faces."""
    missing = [k for k in range(-(-count // SHARD)) if not _shard(split, k).exists()]
    if not missing:
        return
    generator = source(device)
    with bar(total=len(missing) * SHARD, desc=f"{split} faces", unit="face") as progress:
        for k in missing:
            first = FIRST_SEED[split] + k * SHARD
            parts = []
            for start in range(first, first + SHARD, batch):
                seeds = range(start, min(start + batch, first + SHARD))
                parts.append(_faces(generator, seeds))
                progress.update(len(seeds))
            with staging(_shard(split, k)) as path, path.open("wb") as file:
                np.save(file, np.concatenate(parts))


def source(device: str = "cpu") -> WSpace:
    """The generator of the faces."""
    return w_space(create_generator(SOURCE, device=device), "the training set")


def shards(split: str) -> list[Path]:
    """The files of a split that are there, from the first on without a gap."""
    paths = (_shard(split, k) for k in itertools.count())
    return list(itertools.takewhile(Path.exists, paths))


def load(split: str, count: int | None = None) -> torch.Tensor:
    """Faces of a split, uint8 ``[N, 3, 64, 64]``: ``count`` of them, or all there are."""
    paths = shards(split)
    if not paths or len(paths) * SHARD < (count or 0):
        raise SystemExit(f"{folder()} lacks {split} faces; make them with python -m training.data")
    paths = paths[: None if count is None else -(-count // SHARD)]
    faces = np.concatenate([np.load(path, allow_pickle=False) for path in paths])
    return torch.from_numpy(faces[:count])


def _shard(split: str, k: int) -> Path:
    return folder() / f"{split}-{k:04d}.npy"


def draw(generator: WSpace, seeds: Sequence[int]) -> Latents:
    """The latents of faces, each with its own psi."""
    psi = [np.random.RandomState(seed).uniform(*TRUNCATION) for seed in seeds]
    latents = generator.sample(seeds, truncation=1.0)
    w = latents.tensors["w"]
    w = generator.w_mean.lerp(w, torch.tensor(psi).to(w)[:, None])
    return Latents(latents.seeds, {**latents.tensors, "w": w})


def _faces(generator: WSpace, seeds: Sequence[int]) -> np.ndarray:
    """uint8 ``[N, 3, 64, 64]``, each the mean over squares of the full image's pixels."""
    images = generator.forward(draw(generator, seeds))
    images = F.avg_pool2d(images, generator.resolution // RESOLUTION)
    faces: np.ndarray = images.add(1).mul(127.5).round().clamp(0, 255).byte().cpu().numpy()
    return faces


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=30_000, help="faces to learn from")
    parser.add_argument("--held-out", type=int, default=5_000, help="faces to measure against")
    parser.add_argument("--batch", type=int, default=4, help="faces made at a time")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.device != "cpu":
        torch.set_float32_matmul_precision("high")
    build("held-out", options.held_out, batch=options.batch, device=options.device)
    build("train", options.train, batch=options.batch, device=options.device)

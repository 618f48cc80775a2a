"""Four classes of faces, determined by face parsing: glasses, hat, long hair, short hair."""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor

from panda.files.writing import staging
from panda.metrics.parsing import FaceParser, share
from panda.progress import bar

from .data import as_images, load_faces, shards

CLASSES = ("glasses", "hat", "long hair", "short hair")
PIXELS = 384
"""The size at which faces are parsed; at smaller ones the parser misses eyes and noses."""

GLASSES, HAT, LONG = 0.01, 0.02, 0.2
"""Shares of the image above which a face counts as one with glasses, a hat, or long hair."""


def classify(parsed: Tensor) -> Tensor:
    """Return the classes ``[N]`` of class maps ``[N, H, W]``.

    Glasses take precedence over a hat, and a hat over hair.
    """
    label = torch.where(share(parsed, "hair") > LONG, 2, 3)
    label = torch.where(share(parsed, "hat") > HAT, 1, label)
    return torch.where(share(parsed, "glasses") > GLASSES, 0, label)


def build(split: str, device: str = "cpu", batch: int = 16) -> None:
    """Label each shard of a split that has no labels yet."""
    missing = [path for path in shards(split) if not path.with_suffix(".labels").exists()]
    if not missing:
        return
    parser = FaceParser(device)
    for path in bar(missing, desc=f"{split} labels", unit="shard"):
        images = as_images(torch.from_numpy(np.load(path, allow_pickle=False)))
        labels = torch.cat([classify(parser(x, PIXELS)) for x in images.split(batch)])
        with staging(path.with_suffix(".labels")) as temporary, temporary.open("wb") as file:
            np.save(file, labels.to(torch.uint8).cpu().numpy())


def load_labels(split: str, count: int) -> Tensor:
    """Return the classes ``[count]`` of the first faces of a split."""
    paths = [path.with_suffix(".labels") for path in shards(split)]
    labels = np.concatenate([np.load(path, allow_pickle=False) for path in paths if path.exists()])
    if len(labels) < count:
        raise SystemExit(f"{split} faces lack labels; compute them with python -m training.labels")
    return torch.from_numpy(labels[:count].astype(np.int64))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="faces parsed at a time")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    build("train", options.device, options.batch)
    counts = load_labels("train", len(load_faces("train"))).bincount(minlength=len(CLASSES))
    print(dict(zip(CLASSES, counts.tolist(), strict=True)))

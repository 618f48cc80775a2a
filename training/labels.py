"""Four classes of faces, as face parsing sees them: glasses, hat, long hair, short hair."""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor

from panda.files.writing import staging
from panda.metrics.parsing import FaceParser, share
from panda.progress import bar

from .data import load, shards

CLASSES = ("glasses", "hat", "long hair", "short hair")
PIXELS = 384
"""At which faces are parsed: fewer pixels lose eyes and noses."""

GLASSES, HAT, LONG = 0.01, 0.02, 0.2
"""Shares of the image that make a face one with glasses, with a hat, with long hair."""


def classify(parsed: Tensor) -> Tensor:
    """Class maps ``[N, H, W]`` to classes ``[N]``; who wears both glasses and a hat has glasses."""
    label = torch.where(share(parsed, "hair") > LONG, 2, 3)
    label = torch.where(share(parsed, "hat") > HAT, 1, label)
    return torch.where(share(parsed, "glasses") > GLASSES, 0, label)


def build(split: str, device: str = "cpu", batch: int = 16) -> None:
    """Label every shard of a split that has no labels yet."""
    missing = [path for path in shards(split) if not path.with_suffix(".labels").exists()]
    if not missing:
        return
    parser = FaceParser(device)
    for path in bar(missing, desc=f"{split} labels", unit="shard"):
        images = torch.from_numpy(np.load(path, allow_pickle=False)).float() / 127.5 - 1
        labels = torch.cat([classify(parser(part, PIXELS)) for part in images.split(batch)])
        with staging(path.with_suffix(".labels")) as work, work.open("wb") as file:
            np.save(file, labels.to(torch.uint8).cpu().numpy())


def load_labels(split: str, count: int) -> Tensor:
    """Classes ``[count]`` of the first faces of a split."""
    paths = [path.with_suffix(".labels") for path in shards(split)]
    labels = np.concatenate([np.load(path, allow_pickle=False) for path in paths if path.exists()])
    if len(labels) < count:
        raise SystemExit(f"{split} faces lack labels; make them with python -m training.labels")
    return torch.from_numpy(labels[:count].astype(np.int64))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="faces parsed at a time")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    build("train", options.device, options.batch)
    counts = load_labels("train", len(load("train"))).bincount(minlength=len(CLASSES))
    print(dict(zip(CLASSES, counts.tolist(), strict=True)))

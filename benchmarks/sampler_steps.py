"""How many steps a latent flow needs, and whether Heun's method is worth its second call.

    python benchmarks/sampler_steps.py mini-diffusion-faces-64 --samples 1000

Printed are, for samplers by their calls of the UNet: FID against the held-out faces of
`training.data`, and how far images are from those of 100 Euler steps on the same noise (mean
absolute difference, colors from 0 to 255, 64 faces). FIDs of few samples are too high, for all
alike: compare them with each other, not with those of other pages.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from panda import create_generator
from panda.metrics.fid import FeatureMoments, InceptionFeatures, frechet_distance
from panda.report.table import Table
from panda_plugins.flow.backend import LatentFlow
from panda_plugins.flow.network import Network
from training.measure import held_out_moments

BATCH = 50

Sampler = Callable[[Network, Tensor], Tensor]
"""Turns noise into latents of images."""


def at(time: float, x: Tensor) -> Tensor:
    return x.new_full((len(x),), time)


def euler(steps: int, network: Network, x: Tensor) -> Tensor:
    for step in range(steps):
        x = x - network.unet(x, at(1 - step / steps, x)) / steps
    return x


def heun(steps: int, network: Network, x: Tensor) -> Tensor:
    for step in range(steps):
        first = network.unet(x, at(1 - step / steps, x))
        y = x - first / steps
        last = step + 1 == steps
        x = (
            y
            if last
            else x - (first + network.unet(y, at(1 - (step + 1) / steps, y))) / (2 * steps)
        )
    return x


SAMPLERS: dict[str, tuple[Callable[[int, Network, Tensor], Tensor], int]] = {
    "Euler, 6": (euler, 6),
    "Euler, 12": (euler, 12),
    "Heun, 11": (heun, 6),
    "Euler, 20": (euler, 20),
}
"""By name and calls of the UNet: the method and its steps."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("generator", nargs="?", default="mini-diffusion-faces-64")
    parser.add_argument("--samples", type=int, default=1000, help="number of samples for the FID")
    options = parser.parse_args()
    generator = create_generator(options.generator)
    if not isinstance(generator, LatentFlow):
        parser.error(f"{options.generator} has no steps")
    network = generator.network
    features = InceptionFeatures(generator.device)
    real = held_out_moments(features, BATCH)

    def images(sampler: Sampler, count: int) -> Iterator[Tensor]:
        for first in range(0, count, BATCH):
            seeds = range(first, min(first + BATCH, count))
            noise = generator.sample(seeds, truncation=1.0).tensors["z"]
            yield network.decoder(sampler(network, noise)).clamp(-1, 1)

    exact = torch.cat(list(images(partial(euler, 100), 64)))
    rows = []
    for name, (method, steps) in SAMPLERS.items():
        sampler = partial(method, steps)
        gap = 127.5 * (torch.cat(list(images(sampler, 64))) - exact).abs().mean()
        made = FeatureMoments.gather(features(x) for x in images(sampler, options.samples))
        rows.append((name, f"{frechet_distance(real, made):.1f}", f"{gap:.1f}"))
    print(Table(("sampler, calls", "FID", "from 100 steps"), rows).to_markdown())


if __name__ == "__main__":
    main()

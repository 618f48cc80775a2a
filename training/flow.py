"""Train the small diffusion model by flow matching: ``python -m training.flow``.

It learns the latents of a trained autoencoder (`training.autoencoder`). You can stop it at any
time; the same command resumes the training.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.files.cache import home
from panda.files.locks import hold_folder
from panda.images import save_picture, sheet, to_picture
from panda_plugins.flow.network import Network

from .autoencoder import BLOCKS, CHANNELS, LATENTS, SIDE, Autoencoder, trained
from .data import load_faces
from .descent import Descent, Pace
from .mini import WEIGHTS

WIDTHS, CONDITION = (64, 192), 192
"""Channels of the UNet at 16 x 16 and at 8 x 8, and dimensions of the embedded time."""

MOMENTS = 2_000
"""The number of faces whose latents are scaled to unit variance."""

STEPS = 12
"""Steps of the sampler that the file names."""


def new_network(autoencoder: Autoencoder, latents: Tensor) -> Network:
    """Return an untrained UNet beside the trained decoder, which knows the latents' moments.

    Those of the first faces, so that a resumed run may have more faces.
    """
    latents = latents[:MOMENTS]
    network = Network(LATENTS, SIDE, WIDTHS, CONDITION, CHANNELS, BLOCKS)
    network.decoder.load_state_dict(autoencoder.decoder.state_dict())
    network.decoder.mean.copy_(latents.mean((0, 2, 3), keepdim=True))
    network.decoder.deviation.copy_(latents.std((0, 2, 3), keepdim=True))
    return network


def sample(unet: nn.Module, x: Tensor, steps: int = STEPS) -> Tensor:
    """Turn noise ``[N, C, H, W]`` into latents of images, by Euler steps of equal length."""
    for step in range(steps):
        x = x - unet(x, torch.full((len(x),), 1 - step / steps)) / steps
    return x


def train(folder: Path, network: Network, latents: Tensor, pace: Pace, batch: int) -> Descent:
    """Train the UNet in a folder, on latents ``[N, C, H, W]`` of unit variance; return the run."""
    unet = network.unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = Descent(folder, unet, pace, {"batch": batch, "widths": list(WIDTHS)})

    def draw(random: torch.Generator) -> Sequence[Tensor]:
        rows = torch.randint(len(latents), (batch,), generator=random)
        noise = torch.randn(batch, *latents.shape[1:], generator=random)
        return latents[rows], noise, torch.randn(batch, generator=random).sigmoid()

    def loss(target: Tensor, noise: Tensor, time: Tensor) -> Mapping[str, Tensor]:
        noisy = torch.lerp(target, noise, time[:, None, None, None])
        with torch.autocast("cpu", torch.bfloat16):
            velocity = unet(noisy, time)
        return {"total": (velocity.float() - (noise - target)).square().mean()}

    @torch.no_grad()
    def show() -> None:
        noise = torch.randn(48, *latents.shape[1:], generator=torch.Generator().manual_seed(0))
        x = sample(run.average, noise)
        pictures = [[to_picture(image) for image in row] for row in network.decoder(x).split(12)]
        save_picture(sheet(pictures, gap=1), folder / f"samples-{run.step:06d}.png")

    run.run(draw, loss, every=max(100, pace.steps // 10), show=show)
    unet.load_state_dict(run.average.state_dict())
    return run


def export(network: Network, path: Path) -> None:
    """Write the network, with weights in half precision."""
    tensors = {name: value.half() for name, value in network.state_dict().items()}
    save_checkpoint(path, Checkpoint("safetensors", tensors, {"steps": STEPS}))


def main() -> None:
    """Read the command line, train, and write the generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--faces", type=int, help="train on this many faces only")
    parser.add_argument("--folder", type=Path, default=home() / "training" / "diffusion")
    parser.add_argument(
        "--autoencoder", type=Path, default=home() / "training" / "autoencoder", help="its folder"
    )
    options = parser.parse_args()
    with hold_folder(options.folder):
        torch.manual_seed(0)
        autoencoder = trained(options.autoencoder)
        faces = load_faces("train", options.faces)
        latents = autoencoder.encode(torch.cat([faces, faces.flip(3)]))
        network = new_network(autoencoder, latents)
        latents = (latents - network.decoder.mean) / network.decoder.deviation
        pace = Pace(options.steps, options.learning_rate)
        run = train(options.folder, network, latents, pace, options.batch)
        export(network, options.folder / WEIGHTS)
        run.write_facts(len(faces), options.batch)


if __name__ == "__main__":
    main()

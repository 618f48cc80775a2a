"""Train the small variational autoencoder: ``python -m training.vae``.

Its fine stages begin as those of `training.autoencoder`, which is trained first.

You can stop it at any time; the same command resumes the training.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.files.cache import home
from panda.files.locks import hold_folder
from panda_plugins.common.residual import ResidualBlock, normalization
from panda_plugins.flow.network import Decoder
from panda_plugins.vae.network import Network

from .autoencoder import Autoencoder, train, trained
from .codes import load_codes
from .data import load_faces
from .descent import Pace
from .loop import Run
from .loop import train as train_adversarially
from .mini import WEIGHTS
from .recipe import Recipe
from .students import LATENT_DIM, VAE

ENCODER = (32, 64, 96, 128)
"""Channels of the encoder at 32 x 32, 16 x 16, 8 x 8 and 4 x 4."""

KL_WEIGHT = 0.5
"""Weight of the distance of z's distribution from that of the face's code, per number."""


class Encoder(nn.Module):
    """Encode images ``[N, 3, 64, 64]``; pixels are first put side by side."""

    def __init__(self) -> None:
        super().__init__()
        first, *_, last = ENCODER
        layers: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, first, 3, padding=1)]
        for k, channels in enumerate(ENCODER):
            if k:
                layers.append(nn.Conv2d(ENCODER[k - 1], channels, 4, stride=2, padding=1))
            layers.append(ResidualBlock(channels, channels))
        self.layers = nn.Sequential(*layers, normalization(last), nn.SiLU(), nn.Flatten())
        self.output = nn.Linear(16 * last, 2 * LATENT_DIM)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of variances ``[N, LATENT_DIM]``, in float32."""
        mean, log_variance = self.output(self.layers(images)).float().chunk(2, 1)
        return mean, log_variance.clamp(-10, 4)


def untrained() -> Autoencoder:
    """Return the VAE with random weights."""
    return Autoencoder(Encoder(), VAE().network)


@torch.no_grad()
def begin_from(network: Network, decoder: Decoder) -> None:
    """Take over what another decoder does from 16 x 16 on; at first nothing is modulated there.

    A VAE alone learns to paint only once it knows what to paint, which takes far longer.
    """
    coarser = len(network.channels) - len(decoder.channels)
    taken = {
        name.replace(f"stages.{k}.", f"stages.{k + coarser}.", 1): value
        for name, value in decoder.stages.state_dict().items()
        for k in [int(name.split(".")[1]) if name.startswith("stages.") else 0]
    }
    own = network.stages.state_dict()
    for name, value in own.items():
        if name in taken:
            value.copy_(taken[name])
        elif ".affine." in name:
            value.zero_()


def polish(folder: Path, faces: Tensor, codes: Tensor, steps: int, batch: int) -> Run:
    """Train the decoder of a finished run on adversarially, since a VAE's samples are blurred.

    As the other small generators are trained, on the faces' codes and on fresh z (`training.loop`).
    """
    rate = VAE.learning_rate
    recipe = Recipe("vae", steps * batch, batch, rate, pretraining_steps=0, warmup_steps=100)
    run = Run(recipe, folder / "adversarial", torch.device("cpu"), faces, codes)
    if not run.step:
        run.initialize(read_checkpoint(folder / WEIGHTS).tensors)
    train_adversarially([run], log_every=100)
    return run


def export(network: nn.Module, path: Path) -> None:
    """Write the decoder, with weights in half precision."""
    tensors = {name: value.half() for name, value in network.state_dict().items()}
    save_checkpoint(path, Checkpoint("safetensors", tensors, {}))


def main() -> None:
    """Read the command line, train, and write the generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--faces", type=int, help="train on this many faces only")
    parser.add_argument("--folder", type=Path, default=home() / "training" / "vae")
    parser.add_argument(
        "--polish", type=int, default=0, help="adversarial steps after --steps (default: none)"
    )
    parser.add_argument(
        "--autoencoder", type=Path, default=home() / "training" / "autoencoder", help="its folder"
    )
    options = parser.parse_args()
    with hold_folder(options.folder):
        torch.manual_seed(0)
        faces, network = load_faces("train", options.faces), untrained()
        codes = load_codes("train", len(faces))[:, :LATENT_DIM]
        begin_from(network.decoder, trained(options.autoencoder).decoder)
        run = train(
            options.folder,
            network,
            faces,
            Pace(options.steps, options.learning_rate),
            latents=(LATENT_DIM,),
            kl_weight=KL_WEIGHT,
            batch=options.batch,
            codes=codes,
        )
        export(run.average.decoder, options.folder / WEIGHTS)
        run.write_facts(len(faces), options.batch)
        if options.polish:
            polished = polish(options.folder, faces, codes, options.polish, options.batch)
            export(polished.averaged().network, options.folder / WEIGHTS)
            facts = {
                "images": polished.seen,
                "faces": len(faces),
                "recipe": asdict(polished.recipe),
            }
            run.write_facts(len(faces), options.batch, facts)


if __name__ == "__main__":
    main()

"""Train the autoencoder of the diffusion model: ``python -m training.autoencoder``.

You can stop it at any time; the same command resumes the training.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from panda.files.cache import home
from panda.files.locks import hold_folder
from panda.images import save_picture, sheet, to_picture
from panda.progress import bar
from panda_plugins.common.residual import ResidualBlock, normalization
from panda_plugins.flow.network import Decoder

from .data import as_images, load_faces
from .descent import Descent, Pace
from .discriminator import ProjectedFeatures
from .reconstruction import ReconstructionLoss

LATENTS, SIDE = 4, 16
"""Channels of the latents, and their rows and columns."""

CHANNELS, BLOCKS = (128, 64, 32), (2, 2, 1)
"""Channels and residual blocks of the decoder at 16 x 16, 32 x 32 and 64 x 64."""

KL_WEIGHT = 0.02
"""Weight of the distance of a latent's distribution from a standard normal one, per number."""

KNOWN = 0.95
"""How much of a face's latents its code says, where there are codes: their correlation."""


class Encoder(nn.Module):
    """Encode images at a quarter of their resolution; pixels are first put side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, 48, 3, padding=1),
            ResidualBlock(48, 48),
            nn.Conv2d(48, 96, 4, stride=2, padding=1),
            ResidualBlock(96, 96),
            normalization(96),
            nn.SiLU(),
            nn.Conv2d(96, 2 * LATENTS, 3, padding=1),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of variances ``[N, LATENTS, SIDE, SIDE]``, in float32."""
        mean, log_variance = self.layers(images).float().chunk(2, 1)
        return mean, log_variance.clamp(-10, 4)


class Autoencoder(nn.Module):
    """An encoder and a decoder.

    Args:
        encoder: Returns means and logarithms of variances of images, in float32.
        decoder: Returns images of latents.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    @torch.no_grad()
    def encode(self, faces: Tensor, batch: int = 100) -> Tensor:
        """Return the means of the latents of uint8 faces."""
        batches = bar(faces.split(batch), desc="latents", unit="batch")
        return torch.cat([self.encoder(as_images(x))[0] for x in batches])


def kl_divergence(
    mean: Tensor, log_variance: Tensor, center: Tensor | float = 0.0, variance: float = 1.0
) -> Tensor:
    """Return the mean over all numbers of the divergence from another normal, in nats.

    Args:
        mean: Means of the distributions.
        log_variance: Logarithms of their variances.
        center: Means of the other distributions.
        variance: Their variance.
    """
    ratio = log_variance - math.log(variance)
    return 0.5 * ((mean - center).square() / variance + ratio.exp() - 1 - ratio).mean()


def untrained() -> Autoencoder:
    """Return the autoencoder with random weights."""
    return Autoencoder(Encoder(), Decoder(LATENTS, CHANNELS, BLOCKS))


def trained(folder: Path) -> Autoencoder:
    """Return the autoencoder of a finished or stopped run, with averaged weights."""
    autoencoder = untrained().requires_grad_(False).eval()
    state = torch.load(folder / "state.pt", weights_only=True)
    autoencoder.load_state_dict(state["average"])
    return autoencoder


def train(
    folder: Path,
    network: Autoencoder,
    faces: Tensor,
    pace: Pace,
    *,
    latents: tuple[int, ...],
    kl_weight: float,
    batch: int,
    codes: Tensor | None = None,
) -> Descent:
    """Train a variational autoencoder, or go on where an earlier run stopped.

    Where the faces have codes, latents are drawn near these: their distribution, for a face with
    the code c, is to be normal around ``KNOWN c``, with the variance that makes latents of all
    faces standard normal, as codes are. Half of the faces are then decoded from that distribution,
    so that the decoder need not wait for the encoder.

    Args:
        folder: Of the run.
        network: The autoencoder.
        faces: uint8 ``[N, 3, R, R]``.
        pace: How fast it learns.
        latents: The shape of one face's latents.
        kl_weight: Weight of the latents' divergence from a standard normal, per number.
        batch: Faces in a step.
        codes: The faces' codes ``[N, *latents]``, of unit variance, or None.

    Returns:
        The run.
    """
    features = ProjectedFeatures(torch.device("cpu"), faces.shape[-1])
    reconstruction = ReconstructionLoss(features, as_images(faces[:256]))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = Descent(folder, network, pace, {"batch": batch, "kl": kl_weight})

    known = torch.zeros(len(faces), *latents) if codes is None else KNOWN * codes
    variance = 1.0 if codes is None else 1 - KNOWN**2

    def draw(random: torch.Generator) -> Sequence[Tensor]:
        rows = torch.randint(len(faces), (batch,), generator=random)
        images = as_images(faces[rows])
        if codes is None:  # the code of a mirrored face is not known
            mirrored = torch.rand(batch, 1, 1, 1, generator=random) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        return images, known[rows], torch.randn(batch, *latents, generator=random)

    def loss(images: Tensor, center: Tensor, noise: Tensor) -> Mapping[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            mean, log_variance = network.encoder(images)
            z = mean + noise * (log_variance / 2).exp()
            if codes is not None:
                half = len(z) // 2
                z = torch.cat([z[:half], (center + noise * variance**0.5)[half:]])
            decoded = network.decoder(z).float()
        with torch.no_grad():
            target = features.extract(images)
        difference = reconstruction(features.extract(decoded), target)
        kl = kl_divergence(mean, log_variance, center, variance)
        total = difference + kl_weight * kl
        pixels = (decoded - images).detach().abs().mean()
        return {"total": total, "reconstruction": difference, "pixels": pixels, "kl": kl}

    @torch.no_grad()
    def show() -> None:
        images = as_images(faces[:24])
        decoded = run.average.decoder(run.average.encoder(images)[0])
        rows = [*images.split(12), *decoded.split(12)]
        if len(latents) == 1:  # places that are drawn independently make no image
            z = torch.randn(36, *latents, generator=torch.Generator().manual_seed(0))
            rows += run.average.decoder(z).split(12)
        pictures = [[to_picture(image) for image in row] for row in rows]
        save_picture(sheet(pictures, gap=1), folder / f"samples-{run.step:06d}.png")

    run.run(draw, loss, show=show)
    return run


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--faces", type=int, help="train on this many faces only")
    parser.add_argument("--folder", type=Path, default=home() / "training" / "autoencoder")
    options = parser.parse_args()
    with hold_folder(options.folder):
        torch.manual_seed(0)
        train(
            options.folder,
            untrained(),
            load_faces("train", options.faces),
            Pace(options.steps, options.learning_rate),
            latents=(LATENTS, SIDE, SIDE),
            kl_weight=KL_WEIGHT,
            batch=options.batch,
        )


if __name__ == "__main__":
    main()

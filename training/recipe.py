"""The hyperparameters of a training run."""

from __future__ import annotations

from dataclasses import dataclass

FINAL_SHARE = 0.1
"""The share to which learning rates and the weight of the reconstruction loss fall by the end."""


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a training run; those in steps do not depend on the batch size."""

    architecture: str
    images: int = 400_000
    """Generated images in all, including those of pretraining."""
    batch: int = 16
    learning_rate: float = 1e-3
    """Of the generator, in adversarial training."""
    discriminator_learning_rate: float = 2e-4
    feature_size: int = 64
    """The resolution at which the frozen network sees images."""
    pretraining_steps: int = 1_000
    """First steps, with the reconstruction loss alone; adversarial training follows."""
    warmup_steps: int = 500
    """Steps over which the weight of the adversarial loss rises to 1, since untrained
    discriminators only do harm."""
    reconstruction_weight: float = 30.0
    """Weight of the reconstruction loss beside the adversarial one; if small, modes collapse."""
    final_reconstruction_share: float = FINAL_SHARE
    """The share to which that weight falls during adversarial training, since the reconstruction
    loss alone gives faces without detail."""
    average_half_life: int = 625
    """Half-life of the weights' moving average, in steps; shorter at the start."""
    decay: float = 0.125
    """The last share of the images, over which the learning rates fall."""
    seed: int = 0

"""Factors and features made by hand: a sky with an object in it, known to the digit."""

import torch

from panda.factorization.factors import Factors
from panda.generators.contract import Layer

LAYER = Layer("l", 3, 8, 8)
SKY, OBJECT = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([-1.0, 3.0, 0.5])
LIGHT = torch.tensor([[0.0], [0.7], [-1.3]])
"""How much each of three samples has of the third channel, in its sky alone."""


def planted(*places: tuple[slice, slice]) -> tuple[Factors, torch.Tensor, torch.Tensor]:
    """Return factors, three samples of a sky with an object at some places, and its mask."""
    mask = torch.zeros(8, 8)
    for place in places or [(slice(3, 7), slice(2, 6))]:
        mask[place] = 1
    sky = SKY + LIGHT * torch.eye(3)[2]
    x = torch.where(mask.bool(), OBJECT[:, None, None], sky[:, :, None, None])
    detector = (SKY - OBJECT) / (SKY - OBJECT).square().sum()
    zeros = torch.zeros(3)
    factors = Factors(
        generator="planted",
        layer=LAYER,
        appearances=torch.eye(3),
        parts=torch.stack([mask.flatten(), 1 - mask.flatten()], 1),
        spread=torch.ones(3, 2),
        own=torch.eye(3).expand(2, 3, 3),
        own_spread=torch.ones(2, 3),
        background=torch.tensor([0.5, 0.0, 0.0]),
        background_detector=detector,
        mean=zeros,
        config={},
    )
    return factors, x, mask

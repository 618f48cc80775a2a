"""Directions of methods from few samples, and random derivatives in place of images'."""

from functools import partial

import torch

from panda.directions import lowrankgan, named, resefa
from panda.directions.ganspace import GANSpace
from panda.directions.gradient import Gradient
from panda.directions.gradients import Sensitivity
from panda.directions.localdiff import LocalDiff
from panda.directions.loco import LOCO
from panda.directions.lowrankgan import LowRankGAN
from panda.directions.resefa import ReSeFa
from panda.directions.stylespace import StyleSpace

FEW = {"images": 3, "pixels": 16, "subspace": 4}
RELAXED = LowRankGAN(relax=99, **FEW)


def use_few(monkeypatch):
    """Have methods look at few samples, and forget what they found."""
    monkeypatch.setattr(named, "_FOUND", type(named._FOUND)())
    monkeypatch.setattr(named, "GANSpace", partial(GANSpace, samples=100, features=20))
    monkeypatch.setattr(named, "StyleSpace", partial(StyleSpace, samples=50))
    monkeypatch.setattr(named, "Gradient", partial(Gradient, images=1, samples=50))
    for module in (lowrankgan, resefa):
        monkeypatch.setattr(module, "sensitivities", drawn)
    monkeypatch.setattr(lowrankgan, "robust_pca", lambda matrix, sparsity: (matrix, None))
    for method in (RELAXED, ReSeFa(**FEW)):
        monkeypatch.setitem(named.FINDERS, method.name, named._regional(method))
    few = LocalDiff(rank=3, directions=2, joint=1, iterations=1)
    for method in (few, LOCO(directions=2, null=1, iterations=1)):
        monkeypatch.setitem(named.FEATURE_FINDERS, method.name, named._of_features(method))


def drawn(space, regions, images, pixels, subspace):
    """Return random derivatives: what a method makes of them does not care."""
    draw, size = torch.Generator().manual_seed(subspace), len(space.w_mean)
    factors = torch.randn(images, len(regions.names), 2, size, size, generator=draw).double()
    return [
        Sensitivity(name, image, *(each @ each.T for each in pair))
        for image in range(images)
        for name, pair in zip(regions.names, factors[image], strict=True)
    ]

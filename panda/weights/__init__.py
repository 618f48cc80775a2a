"""Weights: where they come from, downloads, checksums, and the cache."""

from panda.weights.generator_weights import Weights
from panda.weights.model_weights import ModelWeights
from panda.weights.npm_package import NpmPackage
from panda.weights.pip_sdist import PipSdist
from panda.weights.pip_wheel import PipWheel
from panda.weights.shipped import Shipped
from panda.weights.url import Url

__all__ = [
    "ModelWeights",
    "NpmPackage",
    "PipSdist",
    "PipWheel",
    "Shipped",
    "Url",
    "Weights",
]

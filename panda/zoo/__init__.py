"""Where generators and their weights come from: cards, sources, the cache, checksums."""

from panda.zoo.architecture import Architecture
from panda.zoo.cache import home
from panda.zoo.card import Card
from panda.zoo.model_weights import ModelWeights
from panda.zoo.npm_package import NpmPackage
from panda.zoo.pip_sdist import PipSdist
from panda.zoo.pip_wheel import PipWheel
from panda.zoo.shipped import Shipped
from panda.zoo.url import Url
from panda.zoo.weights import Weights

__all__ = [
    "Architecture",
    "Card",
    "ModelWeights",
    "NpmPackage",
    "PipSdist",
    "PipWheel",
    "Shipped",
    "Url",
    "Weights",
    "home",
]

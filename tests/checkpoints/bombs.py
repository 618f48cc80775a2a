"""Small files that ask for large work, by sharing, depth and repetition, and large empty ones.

`BOMBS` has for each file or folder its content and words of the sentence that must refuse it;
those of `READ` are read, in little time and memory.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pickle_writer import (
    GOOD_STORAGE,
    Call,
    Name,
    Raw,
    module,
    pickled,
    storage,
    tensor,
    torch_stream,
)


@dataclass
class Sparse:
    """A file of 10 GiB that is empty but for its beginning, and takes no place on the disk."""

    head: bytes


Content = bytes | Sparse | dict[str, "Content"] | Callable[[], "Content"]
"""A file, a folder, or what makes one: the collection of tests is not to wait for it."""


def write(path: Path, content: Content) -> None:
    match content:
        case dict():
            path.mkdir()
            for name, inner in content.items():
                write(path / name, inner)
        case Sparse(head):
            with path.open("wb") as file:
                file.write(head)
                file.truncate(10 << 30)
        case bytes():
            path.write_bytes(content)
        case _:
            write(path, content())


def body(value: Any) -> bytes:
    """The opcodes of a value, which leave it on the stack."""
    return pickled(value)[2:-1]


def keep(value: Any, place: int) -> bytes:
    """Opcodes that put a value into the memo."""
    return body(value) + b"q" + bytes([place]) + b"0"


def kept(place: int) -> Raw:
    return Raw(b"h" + bytes([place]))


def program(*opcodes: bytes) -> bytes:
    return b"\x80\x04" + b"".join(opcodes) + b"."


def table(value: Any, count: int) -> dict[str, Any]:
    return {f"{n:x}": value for n in range(count)}


def zipped(pickle: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/data/0", struct.pack("<4f", 1, 2, 3, 4))
    return stream.getvalue()


WEIGHT = tensor(GOOD_STORAGE)


def nvidia_shared(modules: int, names: int) -> bytes:
    """Many modules that have one table of parameters."""
    part = module(_parameters=kept(0))
    whole = module({}, table(part, modules))
    return program(keep(WEIGHT, 1), keep(table(kept(1), names), 0), body({"G_ema": whole}))


def nvidia_deep(letters: int, depth: int) -> bytes:
    """Modules inside modules, all under the same long name."""
    head, tail = body(module(modules={"x": Raw(b"@")})).split(b"X\1\0\0\0x@")
    inside = head + b"h\0"
    whole = inside * depth + body(module({"w": WEIGHT})) + tail * depth
    return program(keep("n" * letters, 0), body({"G_ema": Raw(whole)}))


def nvidia_excluded(count: int) -> bytes:
    """As many parameters as names in the list of those that are not to be saved."""
    names = [f"Z{n:x}" for n in range(count)]
    parameters = table(kept(1), count)
    whole = module(parameters, _non_persistent_buffers_set=names)
    return program(keep(WEIGHT, 1), body({"G_ema": whole}))


def nvidia_streams(size: int, count: int) -> bytes:
    """Many records of one embedded torch file."""
    stream = torch_stream(storage(size=size), {"0": (size, bytes(4 * size))})
    part = tensor(Call("torch.storage._load_from_bytes", (kept(0),)), (1,))
    return program(keep(stream, 0), body({"G_ema": module(table(part, count))}))


def nvidia_text(letters: int, count: int) -> bytes:
    """Constructor arguments that name a long text many times."""
    whole = module({"w": WEIGHT}, _init_kwargs={"x": [kept(0)] * count})
    return program(keep("n" * letters, 0), body({"G_ema": whole}))


def tensorflow_shared(components: int, variables: int) -> bytes:
    """Components that are one network, of one variable many times."""
    kind = Call("numpy.dtype", ("f4", False, True), (3, "<", None, None, None, -1, -1, 0))
    start = (Name("numpy.ndarray"), (0,), b"b")
    empty = Call("numpy.core.multiarray._reconstruct", start, (1, (0,), kind, False, b""))
    facts = {"static_kwargs": {}, "variables": [kept(0)] * variables}
    part = Call("tfutil.Network", (), facts)
    whole = {"static_kwargs": {}, "variables": [], "components": table(kept(1), components)}
    top = Call("tfutil.Network", (), whole)
    return program(keep(("w", empty), 0), keep(part, 1), keep(top, 2), body((kept(2),) * 3))


def script_shared(modules: int, names: int) -> bytes:
    part = Call("__torch__.M", (), kept(0))
    weights = table(kept(1), names)
    whole = Call("__torch__.M", (), table(part, modules))
    return zipped(program(keep(tensor(storage()), 1), keep(weights, 0), body(whole)))


def script_deep(letters: int, depth: int) -> bytes:
    opened = body(Name("__torch__.M")) + b")R}h\0"
    last = body(Call("__torch__.M", (), {"w": tensor(storage())}))
    return zipped(program(keep("n" * letters, 0), opened * depth, last, b"sb" * depth))


def state_dict(count: int) -> bytes:
    return zipped(program(keep(tensor(storage(), (1,)), 0), body(table(kept(0), count))))


def legacy(keys: int) -> bytes:
    """An older torch file with an empty storage, listed many times."""
    head = [0x1950A86A20F9469CFC6C, 1001, {}, {"w": tensor(storage(size=0), (0,))}]
    listed = program(keep("0", 0), body([kept(0)] * keys))
    return b"".join(map(pickled, head)) + listed + bytes(8 * keys)


def model(text: bytes) -> dict[str, Content]:
    return {"model.json": b'{"weightsManifest":[],"x":' + text + b"}"}


def graph(xml: bytes, constants: Content = b"") -> dict[str, Content]:
    return {"net.xml": b"<net>" + xml + b"</net>", "net.bin": constants}


def every(count: int, pattern: bytes) -> bytes:
    return b"".join(pattern.replace(b"#", b"%x" % n) for n in range(count))


def constants(count: int, size: int) -> bytes:
    """Constants that are the same bytes."""
    data = f'<data element_type="f32" shape="{size // 4}" offset="0" size="{size}"/>'
    layer = f'<layer id="#" name="#" type="Const">{data}</layer>'
    return b"<layers>" + every(count, layer.encode()) + b"</layers>"


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


ENTRY = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
SHARD = [{"paths": ["s"], "weights": [{"name": "w", "shape": [4], "dtype": "float32"}]}]
STEPS, NAMES, BYTES = "over 500000 steps", "over 30000 names", "more memory than the file can fill"

BOMBS: dict[str, tuple[Content, str]] = {
    # sharing
    "nvidia-shared": (lambda: nvidia_shared(1000, 1000), NAMES),
    "nvidia-text": (lambda: nvidia_text(1_000_000, 100_000), BYTES),
    "tensorflow-shared": (lambda: tensorflow_shared(1000, 40_000), NAMES),
    "torchscript-shared": (lambda: script_shared(1000, 1000), NAMES),
    "openvino-shared": (
        lambda: graph(constants(3000, 1 << 20), bytes(1 << 20)),
        BYTES,
    ),
    # depth
    "nvidia-deep": (lambda: nvidia_deep(1_000_000, 300), BYTES),
    "torchscript-deep": (lambda: script_deep(1_000_000, 300), BYTES),
    "long-name": (
        lambda: zipped(pickled({"\x1b" * 40_000_000: tensor(storage(), (5,))})),
        "cannot be read: shape [5] reaches element 5",
    ),
    # repetition
    "many-tensors": (lambda: state_dict(31_000), NAMES),
    "legacy-keys": (lambda: legacy(60_000), NAMES),
    "safetensors-shape": (lambda: safetensors({"w": {**ENTRY, "shape": [0] * 600_000}}), STEPS),
    "json-objects": (lambda: model(b"[" + b'{"a":{}},' * 1_800_000 + b"1]"), STEPS),
    "json-names": (lambda: model(b"{" + every(300_000, b'"#":[],') + b'"":1}'), STEPS),
    "xml-attribute": (lambda: graph(b'<a b=""/>' * 3_700_000), STEPS),
    "xml-attributes": (lambda: graph(b"<a " + every(600_000, b'a#="" ') + b"/>"), STEPS),
    "xml-namespaces": (lambda: graph(every(300_000, b'<a xmlns:x#="y"/>')), STEPS),
    "xml-pieces": (lambda: graph(b"&lt;x\n" * 5_000_000), STEPS),
    "xml-lines": (lambda: graph(b"\n" * 48_000_000), STEPS),
    "openvino-empty": (lambda: graph(constants(31_000, 0)), NAMES),
    # judged before they are read
    "sparse.safetensors": (Sparse(safetensors({"w": ENTRY})), "bytes of 16"),
    "sparse.pkl": (Sparse(b"\x80\x04ca"), "damaged or truncated pickle"),
    "sparse.pt": (Sparse(b"PK\x03\x04"), "damaged or truncated zip"),
    "sparse.json": (Sparse(b"{"), "a text of 10737418240 bytes"),
    "sparse-shard": (
        {"model.json": json.dumps({"weightsManifest": SHARD}).encode(), "s": Sparse(b"")},
        "bytes for constants of 16 bytes",
    ),
}

READ: dict[str, Content] = {
    "nvidia-excluded": lambda: nvidia_excluded(15_000),
    "nvidia-streams": lambda: nvidia_streams(500_000, 1000),
    "sparse-constants": graph(constants(1, 16), Sparse(b"")),
}

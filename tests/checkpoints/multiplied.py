"""Small files made to ask for large work: parts of them shared, nested or repeated many times."""

from __future__ import annotations

import io
import pickletools
import random
import re
import zipfile
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from mutations import Files

TIMES = [2, 30, 300, 1000, 3000, 30_000]
LARGEST = 1 << 18  # bytes, so that a file is soon made


def multiply(files: Files, dice: random.Random) -> Files:
    """The same files, with one to three parts of one of them multiplied."""
    name = dice.choice(sorted(files))
    return files | {name: _in_file(files[name], dice)}


def _in_file(data: bytes, dice: random.Random) -> bytes:
    if data.startswith(b"PK"):
        return _in_zip(data, dice)
    for _ in range(dice.choice([1, 2, 3])):
        ways = _PICKLE if data[:1] == b"\x80" else _TEXT
        data = dice.choice(ways)(data, dice)
    return data[: 2 * LARGEST]


def _in_zip(data: bytes, dice: random.Random) -> bytes:
    """A zip with its pickle changed, or with a list that names its members many times."""
    stream = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
            for info in old.infolist():
                content = old.read(info)
                if info.filename.endswith("data.pkl"):
                    content = _in_file(content, dice)
                new.writestr(zipfile.ZipInfo(info.filename), content)
    except Exception:  # damaged before
        return data
    data = stream.getvalue()
    if dice.random() < 0.8:
        return data
    start = int.from_bytes(data[-6:-2], "little")
    listed = data[start:-22] * _times(data[start:-22], dice)
    count = (len(listed) // 46 % 65536).to_bytes(2, "little")
    return data[:start] + listed + data[-22:-14] + 2 * count + _four(len(listed)) + data[-6:]


class _Values(NamedTuple):
    """Where the opcodes of a pickle build values: each from a place to another.

    ``items`` are those of dicts and lists, with the place of an item's key, or its own.
    """

    all: list[tuple[int, int]]
    items: list[tuple[int, int, int]]


def _values(data: bytes) -> _Values:
    """Find the values of a pickle, as far as it can be read."""
    found = _Values([], [])
    stack: list[int | None] = []  # where each value begins; None for a mark
    opcodes: list[tuple[pickletools.OpcodeInfo, int]] = []
    try:
        opcodes += [(opcode, place or 0) for opcode, _, place in pickletools.genops(data)]
        for (opcode, place), (_, end) in pairwise(opcodes):
            items: list[int] = []
            taken = list(opcode.stack_before)
            if pickletools.markobject in taken:
                while (start := stack.pop()) is not None:
                    items.append(start)
                items.reverse()
                taken = taken[: taken.index(pickletools.markobject)]
            starts = [start for start in (stack.pop() for _ in taken) if start is not None]
            begin = min([*starts, *items[:1], place])
            for after in opcode.stack_after:
                stack.append(None if after is pickletools.markobject else begin)
                found.all.append((begin, end))
            ends = [*items[1:], place]
            if opcode.name == "SETITEMS":
                found.items.extend(zip(items[::2], items[1::2], ends[1::2], strict=True))
            if opcode.name == "APPENDS":
                found.items.extend(zip(items, items, ends, strict=True))
    except Exception:  # damaged before
        pass
    return found


def _hoist(data: bytes, dice: random.Random) -> bytes:
    """A value is built first, and comes from the memo where it was."""
    values = _values(data).all
    if not values:
        return data
    start, end = dice.choice(values)
    place = _four(dice.randrange(1 << 30))
    kept = data[start:end] + b"r" + place + b"0"
    return data[:2] + kept + data[2:start] + b"j" + place + data[end:]


def _copy(data: bytes, dice: random.Random) -> bytes:
    """An item is there many times, in a dict under a key of its own each, and perhaps shared."""
    items = _values(data).items
    if not items:
        return data
    key, start, end = dice.choice(items)
    value = data[start:end]
    place = _four(dice.randrange(1 << 30))
    if shared := dice.random() < 0.5:
        value = b"j" + place
    times = _times(value, dice)
    names = [b"X\5\0\0\0%05x" % n if start > key else b"" for n in range(times)]
    copies = b"".join(name + value for name in names)
    return data[:end] + (b"r" + place if shared else b"") + copies + data[end:]


def _nest(data: bytes, dice: random.Random) -> bytes:
    """A value around another, around another, ..."""
    values = _values(data).all
    outside = [value for value in values if value[1] - value[0] > 20]
    if not outside:
        return data
    start, end = dice.choice(outside)
    inside = [(a, b) for a, b in values if start < a and b < end and b - a > 5]
    if not inside:
        return data
    a, b = dice.choice(inside)
    times = _times(data[start:a] + data[b:end], dice)
    nested = data[start:a] * times + data[a:b] + data[b:end] * times
    return data[:start] + nested + data[end:]


def _lengthen(data: bytes, dice: random.Random) -> bytes:
    """A text is very long."""
    texts = list(re.finditer(rb"X([\x01-\x40])\0\0\0", data))
    if not texts:
        return data
    match = dice.choice(texts)
    length = dice.choice([1000, 100_000, LARGEST // 2])
    end = match.end() + match[1][0]
    return data[: match.start()] + b"X" + _four(length) + b"n" * length + data[end:]


def _element(data: bytes, dice: random.Random) -> bytes:
    """A member of JSON or an element of XML many times, perhaps each with a name of its own."""
    found = list(re.finditer(rb"\{[^{}]*\}|\[[^][]*\]|\"\w*\":[^,{}]*|<(\w+)[^<]*/>", data))
    if not found:
        return data
    match = dice.choice(found)
    piece = match[0] if match[0].startswith(b"<") else match[0] + b","
    times = _times(piece, dice)
    if dice.random() < 0.5:
        pieces = (re.sub(rb"\"(?=\w)", b'"%x' % n, piece, count=1) for n in range(times))
        return data[: match.start()] + b"".join(pieces) + data[match.start() :]
    return data[: match.start()] + piece * times + data[match.start() :]


def _nest_text(data: bytes, dice: random.Random) -> bytes:
    """Two pieces, each as many times: what opens and what closes, perhaps."""
    marks = [match.start() for match in re.finditer(rb"[{}\[\]<>,\"]", data)]
    if len(marks) < 4:
        return data
    a, b, c, d = sorted(dice.sample(marks, 4))
    times = _times(data[a:b] + data[c:d], dice)
    return data[:a] + data[a:b] * times + data[b:c] + data[c:d] * times + data[d:]


def _times(piece: bytes, dice: random.Random) -> int:
    return min(dice.choice(TIMES), LARGEST // (len(piece) + 1) + 1)


def _four(number: int) -> bytes:
    return number.to_bytes(4, "little")


_PICKLE: list[Callable[[bytes, random.Random], bytes]] = [_hoist, _copy, _copy, _nest, _lengthen]
_TEXT: list[Callable[[bytes, random.Random], bytes]] = [_element, _element, _nest_text]

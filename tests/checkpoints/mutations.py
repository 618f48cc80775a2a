"""Damage: files changed at random, below their compression and their checksums too."""

from __future__ import annotations

import gzip
import io
import random
import re
import zipfile

NUMBERS = [0, 1, 2, 4, 127, 128, 255, 256, 32767, 65535, 1 << 20, (1 << 31) - 1, 1 << 31]
NUMBERS += [(1 << 32) - 1, 1 << 40, (1 << 48) - 1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1]
TEXTS = [b"-1", b"0", b"1e999", b"NaN", b"1.5", b"null", b"true", b'""', b"[]", b"{}", b'"\\ud800"']
TEXTS += [b"4611686018427387904", b"9" * 40, b"9" * 5000, b"[" * 2000, b'{"a":' * 2000, b"\xff\xfe"]
TEXTS += [b"../", b"/etc/passwd", b"\0", b"%s", b"Infinity", b"\r\n", b"<!ENTITY a 'b'>", b"&a;"]
OPCODES = [b"cos\nsystem\n", b"X\6\0\0\0os\n", b"\x93", b")R", b")\x81", b"}b", b"Q", b"(", b"t"]
OPCODES += [b"0", b"1", b"2", b"h\0", b"q\0", b"\x94", b"\x85", b"e", b"u", b"s", b"a", b"]", b"N"]
OPCODES += [b"\x82\1", b"B\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\x7f", b"I99\n", b"F1e9\n", b"."]
OPCODES += [
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"cbuiltins\nset\n",
]

Files = dict[str, bytes]
"""The files of a container by name."""


def mutate(files: Files, others: list[Files], dice: random.Random) -> Files:
    """The same files, one of them with one to four kinds of damage."""
    name = dice.choice(sorted(files))
    return files | {name: _damage(files[name], [other[name] for other in others], dice)}


def _damage(data: bytes, others: list[bytes], dice: random.Random) -> bytes:
    if data.startswith(b"PK") and dice.random() < 0.7:
        try:
            return _inside_zip(data, dice)
        except Exception:  # an earlier damage has broken the zip itself
            pass
    if data.startswith(b"\x1f\x8b") and dice.random() < 0.8:
        try:
            return gzip.compress(_change(gzip.decompress(data), dice), 1, mtime=0)
        except (OSError, EOFError):
            pass
    if dice.random() < 0.1:
        other = dice.choice(others)
        return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]
    return _change(data, dice)


def _inside_zip(data: bytes, dice: random.Random) -> bytes:
    """A zip whose checksums are right again, with one member, or its name, changed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        chosen = dice.choice(old.namelist())
        for info in old.infolist():
            content, kept = old.read(info), zipfile.ZipInfo(info.filename)
            if info.filename == chosen and dice.random() < 0.1:
                kept.filename = dice.choice(["/etc/x", "../x", "archive/data.pkl", "", "a" * 9999])
            elif info.filename == chosen:
                content = _change(content, dice)
            if dice.random() < 0.02:
                kept.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(kept, content)
    return stream.getvalue()


def _change(data: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        data = dice.choice(_WAYS)(data, dice)
    return data


def _span(data: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + dice.choice([1, 2, 4, 8, 16, 64, 300]))


def _flip(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _byte(data: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(data) + 1)
    return data[:place] + bytes([dice.randrange(256)]) + data[place + 1 :]


def _number(data: bytes, dice: random.Random) -> bytes:
    size, place = dice.choice([1, 2, 4, 8]), dice.randrange(len(data) + 1)
    value = (dice.choice(NUMBERS) % (1 << 8 * size)).to_bytes(size, dice.choice(["little", "big"]))
    return data[:place] + value + data[place + size :]


def _text_number(data: bytes, dice: random.Random) -> bytes:
    numbers = list(re.finditer(rb"-?[0-9]+(\.[0-9]+)?", data))
    if not numbers:
        return _number(data, dice)
    start, end = dice.choice(numbers).span()
    value = dice.choice([*TEXTS, *(str(number).encode() for number in NUMBERS)])
    return data[:start] + value + data[end:]


def _insert(data: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(data) + 1)
    return data[:place] + dice.choice([*TEXTS, *OPCODES]) + data[place:]


def _remove(data: bytes, dice: random.Random) -> bytes:
    start, end = _span(data, dice)
    return data[:start] + data[end:]


def _repeat(data: bytes, dice: random.Random) -> bytes:
    start, end = _span(data, dice)
    return data[:start] + data[start:end] * dice.choice([2, 2, 3, 50]) + data[end:]


def _move(data: bytes, dice: random.Random) -> bytes:
    start, end = _span(data, dice)
    place = dice.randrange(len(data) + 1)
    return data[:place] + data[start:end] + data[place + end - start :]


def _cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


_WAYS = [_flip, _byte, _number, _text_number, _insert, _remove, _repeat, _move, _cut]

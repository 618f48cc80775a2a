"""Ways in which a file is cut or garbled, or has values of the wrong types."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np


def damages(content: bytes, seed: int, garbled: int = 4) -> Iterator[bytes]:
    """Yield a file's content cut, replaced, and some times changed in a few bytes."""
    dice = np.random.default_rng(seed)
    yield b""
    yield content[: len(content) // 2]
    yield b"\0" * len(content)
    yield dice.bytes(len(content))
    yield b"{}\n"
    yield b"[1]\n"
    for _ in range(garbled):
        changed = bytearray(content)
        place = int(dice.integers(len(content)))
        changed[place : place + int(dice.integers(1, 9))] = dice.bytes(int(dice.integers(1, 4)))
        yield bytes(changed)


NUMBERS = (True, -1, 0, 1.5, 10**30, 10**400, float("nan"), float("inf"))
ODD = (None, *NUMBERS, "", "x", "\x1b[31m", [], {}, [None])
"""Values that JSON can hold in any place."""


def odd_values(content: Any) -> Iterator[Any]:
    """Yield JSON with each of its values replaced by each odd one, and with each removed.

    Of a long list, the first and the last items are replaced.
    """
    for path in _places(content):
        for odd in ODD:
            yield _changed(content, path, odd)
        if path:
            yield _changed(content, path, _GONE)


_GONE = object()


def _places(content: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    if isinstance(content, dict):
        keys = list(content)
    else:
        keys = [0, len(content) - 1] if isinstance(content, list) and content else []
    for key in dict.fromkeys(keys):
        for rest in _places(content[key]):
            yield (key, *rest)


def _changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = json.loads(json.dumps(content))
    *way, last = path
    place = changed
    for key in way:
        place = place[key]
    if value is _GONE:
        del place[last]
    else:
        place[last] = value
    return changed

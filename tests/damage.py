"""Ways in which a file is cut or garbled."""

from collections.abc import Iterator

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

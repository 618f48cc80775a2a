"""Progress bars: always on stderr, gone when done, silent where nobody watches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

Watch = Callable[[str, int, int | None], None]
"""Is told of each step: what is done, how many are done, and of how many where that is known."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Tell all steps of the bars that this thread shows inside the block."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def bar(iterable: Any = None, **options: Any) -> Any:
    """A tqdm bar with the project's own settings; only on a terminal, and of the first process."""
    disable = True if os.environ.get("RANK", "0") != "0" else None
    kind = tqdm if _watch.get() is None else _Watched
    return kind(iterable, leave=False, disable=disable, dynamic_ncols=True, **options)


class _Watched(tqdm):  # type: ignore[misc]
    """A bar that tells its steps; tqdm itself counts none where it shows none."""

    def __init__(self, iterable: Any = None, **options: Any) -> None:
        super().__init__(iterable, **options)
        self._told = str(options.get("desc", "")), options.get("total")
        self._count = int(options.get("initial", 0))

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            yield item
            self.update()

    def update(self, n: float | None = 1) -> bool | None:
        """See tqdm."""
        self._count += int(n or 0)
        watch, (what, total) = _watch.get(), self._told
        if watch is not None:
            watch(what, self._count, total if total is not None else self._length())
        return bool(super().update(n))

    def _length(self) -> int | None:
        return len(self.iterable) if hasattr(self.iterable, "__len__") else None

"""Progress: a bar on a terminal and in a notebook, a line now and then in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any

from tqdm import tqdm

from panda.errors import printable

PAUSE = 5.0
"""Seconds between two lines of one bar, and before its first: short work leaves no line."""

Watch = Callable[[str, int, int | None], None]
"""Called at each step with what is done, how many steps are done, and their total if known."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Report all steps of the bars of this thread to ``watch`` during the block."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def bar(iterable: Any = None, **options: Any) -> Any:
    """Return a tqdm bar on stderr with the project's settings, which is gone when it is done.

    In a notebook it is a widget, if ipywidgets is installed. Where stderr is not a terminal, such
    as in the log of a batch job, it is a plain line every few seconds, for work that takes longer.
    Nothing is shown by processes of another rank than 0, and where tqdm's variable TQDM_DISABLE is
    set. In `watched` blocks only terminals show a bar: whoever watches shows the steps.

    Args:
        iterable: What to iterate over; without it, call ``update`` of the bar.
        options: Those of tqdm: ``desc``, ``total``, ``unit``, ...
    """
    stream = None if sys.stderr is None or sys.stderr.closed else sys.stderr
    terminal = stream is not None and stream.isatty()
    silent = (
        stream is None
        or os.environ.get("RANK", "0") != "0"
        or os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    )
    if _watch.get() is not None:
        kind, silent = _Watched, silent or not terminal
    else:
        kind = tqdm if terminal else _notebook_bar() or _Lines
    options["desc"] = printable(options.get("desc", ""))
    return kind(iterable, leave=False, disable=silent, dynamic_ncols=True, **options)


def _notebook_bar() -> Any:
    """Return tqdm's bar of widgets, or None outside of notebooks and without ipywidgets.

    `tqdm.auto` would choose in the same way, but warns where ipywidgets is missing.
    """
    if "ipykernel.zmqshell" not in sys.modules or find_spec("ipywidgets") is None:
        return None
    from tqdm.notebook import tqdm as widgets

    return widgets


class _Lines(tqdm):  # type: ignore[misc]
    """A bar as plain lines, such as ``fit: 320 of 1000 (32 %), 12 s``."""

    def __init__(self, iterable: Any = None, **options: Any) -> None:
        self._last = time.monotonic()
        # With ``gui``, tqdm leaves all output to `display`.
        super().__init__(iterable, gui=True, miniters=1, mininterval=PAUSE, **options)

    def display(self, *_: Any, **__: Any) -> None:
        """Write a line, unless the last one is recent."""
        if time.monotonic() - self._last >= PAUSE:
            self._last = time.monotonic()
            with suppress(OSError, ValueError):  # the reader of stderr has left; the work goes on
                sys.stderr.write(f"{self._line()}\n")
                sys.stderr.flush()

    def _line(self) -> str:
        facts = self.format_dict
        done, total = (self._amount(facts[name]) for name in ("n", "total"))
        share = f" of {total} ({100 * facts['n'] / facts['total']:.0f} %)" if facts["total"] else ""
        what = f"{facts['prefix']}: " if facts["prefix"] else ""
        unit = "" if facts["total"] else f" {facts['unit']}"
        postfix = f"{facts['postfix']}, " if facts["postfix"] else ""
        return f"{what}{done}{unit}{share}, {postfix}{facts['elapsed']:.0f} s"

    def _amount(self, count: float | None) -> str:
        """Return a count as text; of bytes, with k, M or G."""
        return tqdm.format_sizeof(count or 0) if self.unit_scale else f"{count or 0:.0f}"


class _Watched(tqdm):  # type: ignore[misc]
    """A bar that reports its steps; tqdm itself counts none where it shows none."""

    def __init__(self, iterable: Any = None, **options: Any) -> None:
        super().__init__(iterable, **options)
        self._what, self._steps = str(options.get("desc", "")), options.get("total")
        self._count = int(options.get("initial", 0))

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            yield item
            self.update()

    def update(self, n: float | None = 1) -> bool | None:
        """See tqdm."""
        self._count += int(n or 0)
        watch = _watch.get()
        if watch is not None:
            watch(self._what, self._count, self._length() if self._steps is None else self._steps)
        return bool(super().update(n))

    def _length(self) -> int | None:
        return len(self.iterable) if hasattr(self.iterable, "__len__") else None

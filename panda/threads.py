"""Work for several threads, each of which runs its operations alone.

The threads that torch has inside an operation wait for each other at its end, thousands of times an
image. Threads that each make an image, or a stretch of one, meet far less often: they gain more
where cores are free, and share them fairly where they are not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from threading import Lock
from typing import Any, TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

_starting = Lock()


def over(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``[function(item) for item in items]``, by as many threads as torch has for an operation.

    Gradients are recorded, and context variables are, as the caller has them. Ends when no call is
    running any more, and raises what one of the calls raised.
    """
    threads = min(torch.get_num_threads(), len(items))
    if threads < 2:
        return [function(item) for item in items]
    results: dict[int, R] = {}
    left = iter(range(len(items)))  # whoever is free takes the next one

    def work() -> None:
        for index in left:
            results[index] = function(items[index])

    running = [_start(number, work) for number in range(threads)]
    try:
        wait(running)
    except BaseException:  # such as Ctrl-C
        for _ in left:
            pass
        raise
    for one in running:
        one.result()
    return [results[index] for index in range(len(items))]


def ahead(items: Iterable[T], number: int) -> Iterator[T]:
    """Yield the items, of which thread ``number`` makes the next one while we have this one.

    Where items are made from others that come from `ahead`, those have a lower number.
    """
    source, end = iter(items), object()
    following: Future[Any] = _start(number, next, source, end)
    try:
        while (item := following.result()) is not end:
            following = _start(number, next, source, end)
            yield item
    finally:
        wait([following])


def _start(number: int, function: Callable[..., R], *arguments: Any) -> Future[R]:
    """Have a thread call a function as if we did."""
    grad, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    context = copy_context()

    def call() -> R:
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            return context.run(function, *arguments)

    with _starting:
        return _thread(number).submit(call)


@cache
def _thread(number: int) -> ThreadPoolExecutor:
    """A thread that stays, with one thread for its operations.

    What `torch.set_num_threads` sets holds for the calling thread, and for each one that asks for
    the first time after it. So this one asks once it is told, and what new ones get is put back.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(1, f"panda-{number}", torch.set_num_threads, (1,))
    pool.submit(torch.get_num_threads).result()
    torch.set_num_threads(threads)
    return pool


os.register_at_fork(after_in_child=_thread.cache_clear)

"""Threads that each run whole operations, in place of threads inside every operation.

The threads inside an operation wait for each other at its end, thousands of times for each image.
Threads that each compute an image, or a stretch of one, meet far less often. So they gain more
where cores are free, and share cores fairly where other processes want them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache, partial, wraps
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")

ALONE = -1
"""The number of the thread of `single_threaded` functions."""

_starting = Lock()


def map_threads(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return ``[function(item) for item in items]``, computed by as many threads as torch uses.

    Gradients are recorded and context variables are set as in the calling thread. Inside of such a
    thread, or where torch uses a single thread, the items are computed here.

    Raises:
        Exception: What one of the calls raised, once no call runs any more.
    """
    threads = min(torch.get_num_threads(), len(items))
    if threads < 2:
        return [function(item) for item in items]
    results: dict[int, R] = {}
    left = iter(range(len(items)))  # each thread takes the next item when it is free

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
    for future in running:
        future.result()
    return [results[index] for index in range(len(items))]


def prefetch(items: Iterable[T], number: int) -> Iterator[T]:
    """Yield the items while thread ``number`` computes the next one.

    Args:
        items: What computes them. Where it takes items of another `prefetch`, that one has a
            lower number, so that threads never wait for each other in a circle.
        number: The thread that computes.
    """
    source, end = iter(items), object()
    following: Future[Any] = _start(number, next, source, end)
    try:
        while (item := following.result()) is not end:
            following = _start(number, next, source, end)
            yield item
    finally:
        wait([following])


def single_threaded(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of hundreds of tiny operations, so that none of them uses threads.

    They would wait longer than they work: on a machine that is busy with other processes, up to ten
    times as long. Where the calling thread would use threads, the function runs in another one:
    `torch.set_num_threads` is not for one thread, and two callers that each restore what they found
    may leave the other's single thread to all. What lies on a GPU is computed where it is called.
    """

    @wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        on_gpu = any(isinstance(value, torch.Tensor) and value.is_cuda for value in arguments)
        if on_gpu or torch.get_num_threads() == 1:
            return function(*arguments, **options)
        return _start(ALONE, partial(function, *arguments, **options)).result()

    return call


def _start(number: int, function: Callable[..., R], *arguments: Any) -> Future[R]:
    """Call a function in a thread, with gradients and context variables as in this one."""
    grad, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    context = copy_context()

    def call() -> R:
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            return context.run(function, *arguments)

    with _starting:
        return _thread(number).submit(call)


@cache
def _thread(number: int) -> ThreadPoolExecutor:
    """Return an executor of one thread, which computes its operations without further threads.

    `torch.set_num_threads` sets the number for the calling thread, and for each thread that asks
    for the first time after that. So the executor's thread asks and sets its own number, and one
    more thread, which ends, sets the number for others back.
    """
    pool = ThreadPoolExecutor(1, f"panda-{number}")
    usual = pool.submit(torch.get_num_threads).result()
    pool.submit(torch.set_num_threads, 1).result()
    restore = Thread(target=torch.set_num_threads, args=(usual,))
    restore.start()
    restore.join()
    return pool


os.register_at_fork(after_in_child=_thread.cache_clear)

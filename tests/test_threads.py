"""Work shared out to threads is what one thread would have done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest
import torch

from panda.factorization.fit import fit
from panda.factorization.solvers import quartic
from panda.threads import map_threads, prefetch, single_threaded

said: ContextVar[str] = ContextVar("said", default="nothing")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items_from_two_threads() -> None:
    both = threading.Barrier(2, timeout=30)

    def work(item: int) -> tuple[int, str]:
        if item < 2:
            both.wait()
        return item, threading.current_thread().name

    found = map_threads(work, range(20))
    assert [item for item, _ in found] == list(range(20))
    assert len({name for _, name in found}) == 2


def test_items_that_are_made_ahead_come_in_order() -> None:
    doubled = (2 * item for item in prefetch(range(20), 0))
    assert list(prefetch(doubled, 1)) == list(range(0, 40, 2))


def test_every_thread_runs_its_operations_alone_and_new_threads_do_not() -> None:
    assert map_threads(lambda _: torch.get_num_threads(), range(4)) == [1] * 4
    assert torch.get_num_threads() == 2
    new: list[int] = []
    thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert new == [2]


def test_work_inside_of_work_waits_for_no_thread() -> None:
    assert map_threads(lambda item: sum(map_threads(abs, [item, item])), range(4)) == [0, 2, 4, 6]


def test_an_exception_is_raised_when_nothing_runs_any_more() -> None:
    running = []

    def fail(item: int) -> None:
        running.append(item)
        try:
            if item == 1:
                raise ValueError("one")
            threading.Event().wait(0.05)
        finally:
            running.remove(item)

    with pytest.raises(ValueError, match="one"):
        map_threads(fail, range(4))
    assert running == []


def test_an_exception_comes_after_what_was_made_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    made = prefetch(source(), 0)
    assert next(made) == 1
    with pytest.raises(ValueError, match="two"):
        next(made)


def test_nobody_makes_items_that_nobody_takes() -> None:
    made: list[int] = []
    items = prefetch((made.append(item) for item in range(9)), 0)
    next(items)
    items.close()
    assert len(made) == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_gradients_are_recorded_as_the_caller_has_it(mode: type) -> None:
    with mode():
        expected = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        modes = map_threads(
            lambda _: (torch.is_grad_enabled(), torch.is_inference_mode_enabled()), range(2)
        )
        (later,) = prefetch((torch.is_grad_enabled() for _ in range(1)), 0)
    assert modes == [expected] * 2
    assert later == expected[0]


def test_context_variables_are_the_callers() -> None:
    token = said.set("something")
    assert map_threads(lambda _: said.get(), range(2)) == ["something"] * 2
    assert list(prefetch((said.get() for _ in range(2)), 0)) == ["something"] * 2
    said.reset(token)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_a_face_is_the_same_by_any_number_of_threads(faces, threads: int) -> None:
    latents = faces.sample([0, 1], truncation=0.7)
    with torch.no_grad():
        torch.set_num_threads(1)
        expected = faces.forward(latents)
        torch.set_num_threads(threads)
        assert torch.allclose(faces.forward(latents), expected, atol=1e-4)
        assert torch.allclose(faces.forward(latents[:1]), expected[:1], atol=1e-4)
        state = faces.head(latents[:1], "64.conv2")
        assert torch.equal(faces.tail(state, "64.conv2"), faces.forward(latents[:1]))


def number_for_new_threads() -> int:
    new: list[int] = []
    thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return new[0]


def test_a_thread_that_is_started_by_another_leaves_the_number_for_others() -> None:
    fresh = 1_000_000 + threading.get_ident()  # a thread that no test has started
    assert map_threads(lambda _: list(prefetch(range(2), fresh)), range(2)) == [[0, 1]] * 2
    assert torch.get_num_threads() == 2
    assert number_for_new_threads() == 2


def test_a_function_that_runs_alone_may_call_another() -> None:
    inner = single_threaded(lambda: torch.get_num_threads())
    assert single_threaded(lambda: inner())() == 1


def test_fits_of_two_threads_leave_the_number_as_it_was(tiny, monkeypatch) -> None:
    """The second one starts while the first is inside of the solver."""
    inside, done = threading.Event(), threading.Event()
    lowest = quartic._lowest

    def pause(*arguments):
        inside.set()
        done.wait(0.5)  # but not forever: the second may have to wait for the first
        monkeypatch.setattr(quartic, "_lowest", lowest)
        return lowest(*arguments)

    def work() -> None:
        fit(tiny, "b", parts=4, seeds=range(20))
        done.set()
        after.append(torch.get_num_threads())

    monkeypatch.setattr(quartic, "_lowest", pause)
    after: list[int] = []
    threads = [threading.Thread(target=work) for _ in range(2)]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert after == [2, 2]
    assert torch.get_num_threads() == number_for_new_threads() == 2

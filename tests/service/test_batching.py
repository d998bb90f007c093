"""Batches of requests: who waits is worked on together, in order, and other circuits get their turn."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.batching import Batcher


class Work:
    """Keeps the batches that it is given; the first one is held up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on, self.done = threading.Event(), threading.Event(), threading.Semaphore(0)

    def __call__(self, batch: list[int]) -> None:
        self.batches.append(batch)
        self.begun.set()
        assert self.go_on.wait(30)
        for _ in batch:
            self.done.release()

    def finish(self, count: int) -> None:
        """Let it work until so many items are done."""
        self.go_on.set()
        for _ in range(count):
            assert self.done.acquire(timeout=30)


def test_what_comes_alone_is_not_held_up_and_what_comes_meanwhile_gathers() -> None:
    batcher, work = Batcher[int](), Work()
    with ThreadPoolExecutor(4) as threads:
        batcher.add(0, work, threads)
        assert work.begun.wait(30)
        for item in range(1, 6):
            batcher.add(item, work, threads)
        work.finish(6)
    assert work.batches == [[0], [1, 2, 3, 4, 5]] and batcher.batches == 2


def test_a_batch_has_its_limit() -> None:
    batcher, work = Batcher[int](max_batch=2), Work()
    with ThreadPoolExecutor(4) as threads:
        batcher.add(0, work, threads)
        assert work.begun.wait(30)
        for item in range(1, 6):
            batcher.add(item, work, threads)
        work.finish(6)
    assert work.batches == [[0], [1, 2], [3, 4], [5]]


def test_another_circuit_gets_its_turn() -> None:
    one, other, work, order = Batcher[int](max_batch=1), Batcher[int](), Work(), []
    with ThreadPoolExecutor(1) as threads:
        for item in range(4):
            one.add(item, work, threads)
        assert work.begun.wait(30)
        other.add(9, lambda batch: order.append(len(work.batches)), threads)
        work.finish(4)
    assert order == [1]


def test_work_that_fails_holds_up_nothing() -> None:
    batcher, seen = Batcher[int](max_batch=1), []

    def work(batch: list[int]) -> None:
        seen.extend(batch)
        raise RuntimeError

    with ThreadPoolExecutor(1) as threads:
        held = threading.Event()
        threads.submit(held.wait, 30)
        for item in range(3):
            batcher.add(item, work, threads)
        held.set()
        end = threading.Event()
        while len(seen) < 3 and not end.wait(0.01):
            pass
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 8])
def test_nothing_is_lost_or_worked_on_twice(threads: int) -> None:
    batcher, seen, lock = Batcher[int](max_batch=7), [], threading.Lock()

    def work(batch: list[int]) -> None:
        with lock:
            seen.append(batch)

    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(8) as askers:
        list(askers.map(lambda i: batcher.add(i, work, pool), range(2000)))
        finished = threading.Event()
        while sum(map(len, seen)) < 2000 and not finished.wait(0.001):
            pass
    assert sorted(item for batch in seen for item in batch) == list(range(2000))
    assert max(map(len, seen)) <= 7

"""Gathers what is asked of one circuit: while a batch is worked on, what arrives waits for the next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_BATCH = 64
"""How many requests are worked on at a time."""


class Batcher(Generic[T]):
    """One circuit's requests, one batch at a time, in the order in which they came. What comes alone is
    worked on at once.
    """

    def __init__(self, max_batch: int = MAX_BATCH) -> None:
        self._max_batch = max_batch
        self._lock = threading.Lock()
        self._waiting: deque[T] = deque()
        self._running = False
        self.batches = 0
        """How many have been begun."""

    def add(self, item: T, work: Callable[[list[T]], None], threads: Executor) -> None:
        """Have an item worked on, with others, by a thread. `work` must not raise."""
        with self._lock:
            self._waiting.append(item)
            if self._running:
                return
            self._running = True
        threads.submit(self._run, work, threads)

    def _run(self, work: Callable[[list[T]], None], threads: Executor) -> None:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
            self.batches += 1
        try:
            work(batch)
        finally:
            with self._lock:
                self._running = bool(self._waiting)
            if self._running:
                # Queued anew, so that other circuits get their turn.
                threads.submit(self._run, work, threads)

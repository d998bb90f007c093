"""How often something may happen: a token bucket for each of many keys.

A bucket of `burst` tokens gets `rate` new ones a second and overflows. What is kept of one is only when it
will be full again, so that a bucket that has not been asked for a while is as good as none.

Source: the "virtual scheduling algorithm" of ITU-T I.371, annex A, which is equivalent to a bucket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

MAX_BUCKETS = 100_000
ROUNDING = 1e-9
"""In seconds: what sums of floats may be off by."""
K = TypeVar("K", bound=Hashable)


class Buckets(Generic[K]):
    """Buckets of one process, to be asked in one thread."""

    def __init__(self, most: int = MAX_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._full_at: dict[K, float] = {}

    def take(self, key: K, rate: float, burst: int, tokens: int = 1) -> float:
        """Take tokens from a key's bucket, if there are so many.

        Parameters
        ----------
        rate
            In tokens a second.
        burst
            What the bucket holds; of more tokens than that, so many are taken.

        Returns
        -------
        float
            0 if they were taken; else in how many seconds they could be.
        """
        wait, full_at = self._look(key, rate, burst, tokens)
        if wait > 0:
            return wait
        if len(self._full_at) >= self._most and key not in self._full_at:
            self._forget()
        self._full_at[key] = full_at
        return 0.0

    def wait(self, key: K, rate: float, burst: int) -> float:
        """In how many seconds a token could be taken. None is."""
        return self._look(key, rate, burst, 1)[0]

    def _look(self, key: K, rate: float, burst: int, tokens: int) -> tuple[float, float]:
        at = self._clock()
        full_at = max(self._full_at.get(key, at), at) + min(tokens, burst) / rate
        wait = full_at - at - burst / rate
        return (wait if wait > ROUNDING else 0.0), full_at

    def _forget(self) -> None:
        """Forget those that are full; and all, if that is less than half of them: it is not done often."""
        at = self._clock()
        left = {key: full_at for key, full_at in self._full_at.items() if full_at > at}
        self._full_at = left if len(left) <= self._most // 2 else {}

"""SIGTERM and SIGINT as something to wait for.

A handler runs between any two steps of the main thread, which may hold the very lock that the handler would
want. So the handlers here do nothing, and who waits reads of the signals from a pipe.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from types import FrameType
from typing import Self

MOST_HEARD = 4096
"""How many bytes of the line are taken at once for one."""


class StopSignals:
    """Takes signals for as long as its `with` block lasts. In a process's main thread only."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers or (signal.SIGTERM, signal.SIGINT)

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._woken = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _nothing) for number in self._numbers}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._woken)
        os.close(self._read)
        os.close(self._write)

    def wait(
        self,
        seconds: float | None = None,
        line: int | None = None,
        heard: Callable[[], None] = lambda: None,
    ) -> bool:
        """Wait for the next signal.

        Parameters
        ----------
        seconds
            For so long at most.
        line
            A file descriptor. Its end counts as a signal.
        heard
            Called when something came on the line; then this returns.

        Returns
        -------
        bool
            Whether a signal came.
        """
        watched = [self._read] if line is None else [self._read, line]
        ready = select.select(watched, [], [], seconds)[0]
        if not ready:
            return False
        came = os.read(ready[0], MOST_HEARD if ready[0] == line else 1)
        if ready[0] == line and came:
            heard()
            return False
        return True


def _nothing(number: int, frame: FrameType | None) -> None:
    pass

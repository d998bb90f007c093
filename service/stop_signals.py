"""SIGTERM and SIGINT as something to wait for.

A handler runs between any two steps of the main thread, which may hold the very lock that the handler would
want. So the handlers here do nothing, and who waits reads of the signals from a pipe.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Self


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

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the next signal, so many seconds at most. Returns whether one came."""
        if not select.select([self._read], [], [], seconds)[0]:
            return False
        os.read(self._read, 1)
        return True


def _nothing(number: int, frame: FrameType | None) -> None:
    pass

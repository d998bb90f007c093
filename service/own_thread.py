"""A thread that works until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable


class OwnThread:
    """The thread of something that works on its own.

    Parameters
    ----------
    name
        What the thread is called.
    work
        Called in the thread. It returns soon after `stopping` is set.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._name = name
        self._work = work
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()
        """Set when the work is to end."""

    @property
    def running(self) -> bool:
        """Whether there is a thread that works."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to work. Raises RuntimeError if it does already: nobody would wait for the first thread."""
        if self.running:
            raise RuntimeError(f"the {self._name} works already")
        self.stopping.clear()
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Have the work end, and wait for it."""
        self.stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

"""The log's line for each request, written a moment later together with those of other requests.

Made and written one by one, lines would cost more than all else that the event loop does for an answer: a
thread that writes lets go of the interpreter, and one that computes then keeps it for milliseconds. A process
that stops writes all its lines; one that is killed loses those of the last moment. What else is logged is
written at once.
"""

from __future__ import annotations

import atexit
import select
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from service.repeating import Repeating

SECONDS = 0.1
MOST_WAITING = 10_000
"""Who adds a line to so many writes them: memory stays bounded where they go out more slowly than in."""


class RequestLog:
    """Takes lines from one thread. Before it is started and once it is stopped, each is written at once."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._lines = _Lines(structlog.get_config()["logger_factory"]().info)
        # Bound once: putting a logger together takes longer than a line.
        self._log = structlog.wrap_logger(self._lines).bind()
        self._waiting: deque[tuple[datetime, dict[str, object]]] = deque()
        self._writing = threading.Lock()
        self._started = False
        self._thread = Repeating("request log", self.flush, seconds)

    def start(self) -> None:
        """Let lines wait from now on."""
        self._started = True
        self._thread.start()
        atexit.register(self.flush)  # a second signal ends a server without `stop`

    def stop(self) -> None:
        """Write what waits."""
        self._started = False
        self._thread.stop()
        self.flush()
        atexit.unregister(self.flush)

    def add(self, **fields: object) -> None:
        """Log that a request has ended."""
        self._waiting.append((datetime.now(UTC), fields))
        # Looked at after it waits: else `stop` could write for the last time in between.
        if not self._started or len(self._waiting) >= MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:
            for _ in range(len(self._waiting)):
                at, fields = self._waiting.popleft()
                self._log.info("request", **fields, timestamp=at.isoformat().replace("+00:00", "Z"))
            self._lines.end()


class _Lines:
    """Lines as structlog has made them, written in pieces that no other process's lines get into, even where
    several write to one pipe."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._piece: list[str] = []
        self._size = 0

    def info(self, line: str) -> None:
        """Take a line."""
        size = len(line.encode()) + 1
        if self._size + size > select.PIPE_BUF:
            self.end()
        self._piece.append(line)
        self._size += size

    def end(self) -> None:
        """Write what is left."""
        piece, self._piece, self._size = self._piece, [], 0
        if piece:
            self._write("\n".join(piece))

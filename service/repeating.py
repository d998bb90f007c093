"""Something that is done again and again, in a thread of its own, whatever becomes of each time."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from service.own_thread import OwnThread

log = structlog.get_logger()


class Repeating:
    """A thread that calls something every few seconds. What it raises is logged, and it is called again.

    Parameters
    ----------
    name
        What logs call it.
    """

    def __init__(self, name: str, work: Callable[[], object], seconds: float) -> None:
        self._name = name
        self._work = work
        self._seconds = seconds
        self._thread = OwnThread(name, self._run)

    def start(self) -> None:
        """Begin; the first call comes after the first pause."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the call that is under way."""
        self._thread.stop()

    def _run(self) -> None:
        while not self._thread.stopping.wait(self._seconds):
            try:
                self._work()
            except DBAPIError as error:
                # Not the error itself: it has the values that were to be written.
                log.warning("the database failed", at=self._name, error=str(error.orig))
            except Exception:
                log.error("failed", at=self._name, trace=traceback.format_exc())

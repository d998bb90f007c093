"""The thread of something that works on its own: begun, ended, and begun again."""

from __future__ import annotations

import threading

import pytest

from service.own_thread import OwnThread


class Working:
    """Work that lasts until it is told to stop, and then until it may end."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Semaphore(0), threading.Event()
        self.thread = OwnThread("test", self.work)
        self.ended = 0

    def work(self) -> None:
        self.begun.release()
        self.thread.stopping.wait()
        self.may_end.wait()
        self.ended += 1


def test_stopping_waits_for_the_work_and_starting_again_works_again() -> None:
    working = Working()
    for times in (1, 2):
        working.may_end.clear()
        working.thread.start()
        working.begun.acquire()
        threading.Timer(0.1, working.may_end.set).start()
        working.thread.stop()
        assert (working.ended, working.thread.running) == (times, False)


def test_a_second_start_is_refused() -> None:
    """Nobody would wait for the first thread."""
    working = Working()
    working.may_end.set()
    working.thread.start()
    with pytest.raises(RuntimeError, match="the test works already"):
        working.thread.start()
    working.thread.stop()
    assert working.ended == 1


def test_stopping_what_never_began_is_no_mistake() -> None:
    working = Working()
    working.thread.stop()
    working.thread.stop()
    assert working.ended == 0 and working.thread.stopping.is_set()

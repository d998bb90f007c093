"""Connections to PostgreSQL that notice when the server has stopped answering.

A server that is stopped or cut off, but whose sockets stay open, leaves whoever asked it something waiting
without end: its kernel acknowledges what it is sent, and a limit on the length of statements is its own to
keep. So whoever has waited for long looks whether it still takes connections. As long as it does, a statement
may take as long as it likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg
from sqlalchemy import Engine, event

SILENCE_SECONDS = 5.0
"""How long a server may say nothing before it is looked whether it is there, and then again."""
CONNECT_SECONDS = 5
"""How long it may take to accept a connection."""
AWAY_SECONDS = 1.0
"""For how long a server that has not accepted a connection is not asked for another."""
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""When a machine that is gone is given up, in seconds."""


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that is closed, and whose statement fails, once its server takes no new ones."""

    look: Callable[[], None]
    """Makes another connection to the same server, and closes it."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        """As psycopg's own, but not for ever."""
        return super().wait(self._watched(gen), *arguments, **named)

    def _watched(self, waiting: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The same generator. It is sent 0 ten times a second while nothing comes from the server."""
        looked, ready = time.monotonic(), None
        while True:
            try:
                wanted = waiting.send(ready)
            except StopIteration as end:
                return end.value
            ready = yield wanted
            if ready:
                looked = time.monotonic()
            elif time.monotonic() >= looked + SILENCE_SECONDS:
                self._require_server()
                looked = time.monotonic()

    def _require_server(self) -> None:
        try:
            self.look()
        except psycopg.OperationalError as error:
            # Without a word to the server, which would have to be waited for.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server has stopped answering: {error}") from None


def watch(engine: Engine) -> None:
    """Have an engine's connections to PostgreSQL be such.

    While a server has just not answered, nobody tries again: who waits for a place in the pool would else
    have to wait for all before.
    """
    away_until = 0.0

    @event.listens_for(engine, "do_connect")
    def _connect(_: Any, __: Any, arguments: list[Any], named: dict[str, Any]) -> WatchedConnection:
        named |= {"connect_timeout": CONNECT_SECONDS, **KEEPALIVE}

        def connected() -> WatchedConnection:
            nonlocal away_until
            if time.monotonic() < away_until:
                raise psycopg.OperationalError("the server has just not answered")
            try:
                return WatchedConnection.connect(*arguments, **named)
            except psycopg.errors.ConnectionTimeout:
                away_until = time.monotonic() + AWAY_SECONDS
                raise

        made = connected()
        made.look = lambda: connected().close()
        return made

"""The server: the application on a port, until it is told to stop.

On SIGTERM or SIGINT it takes no new connections, ends the requests in hand, and after a while gives up
on those that do not end. A second signal ends it at once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from circuits.errors import InputError
from service.settings import Settings

GRACE_SECONDS = 30
"""How long requests in hand have at a stop, if the settings' `drain_seconds` are not less."""
BACKLOG = 2048


def serve(app: FastAPI, settings: Settings, started: Callable[[str], None]) -> None:
    """Serve until a signal comes.

    Parameters
    ----------
    started
        Called with the service's URL as soon as it can be asked.

    Raises
    ------
    InputError
        If the address cannot be listened on.
    """
    listening = _listen(settings.host, settings.port)
    server = Server(
        app,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        backlog=BACKLOG,
        # Else who does not read an answer would hold the stop for longer than the settings have it.
        timeout_graceful_shutdown=min(GRACE_SECONDS, settings.drain_seconds),
    )
    server.on_started = lambda: started(url_of(listening))
    server.run(sockets=[listening])


class Server(uvicorn.Server):
    """Serves an application of `service.application`; see above."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        # The service logs its requests itself, with their ids. Uvicorn would take what else is installed:
        # httptools, which is quicker, but holds headers of any size; and a library for WebSockets.
        config = uvicorn.Config(app, http="h11", ws="none", log_config=None, access_log=False, **options)
        super().__init__(config)
        self._app = app
        self.on_started: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # They would keep it waiting: an end of theirs is not near.
        self._app.state.streams.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Uvicorn would raise the signal again in the end. An end that was asked for is no failure.
        self.force_exit = self.should_exit
        self.should_exit = True


def url_of(listening: socket.socket) -> str:
    """Where a browser of this machine finds what listens on a socket."""
    host, port = listening.getsockname()[:2]
    if listening.family is socket.AF_INET6:
        host = f"[{host}]"
    return f"http://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # asyncio turns Nagle's algorithm off only where the protocol is named. Else the body of an answer
        # waits for the client to acknowledge its headers: 40 ms.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}. Choose another with --port"
        ) from None
    return listening

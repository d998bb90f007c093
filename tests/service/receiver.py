"""Receivers of webhooks on this machine, well-behaved and not."""

from __future__ import annotations

import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook as Signature

from tests.service.patience import PATIENCE

Answer = Callable[[Any], None]
"""Writes what it likes to a connection; the request has been read."""


@dataclass
class Received:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes

    def verified(self, secret: str) -> Any:
        """What it says, checked the way receivers do."""
        return Signature(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """A running receiver."""

    host: str
    port: int
    answers: list[Answer]
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.host}:{self.port}/hook"

    def wait(self, count: int = 1, seconds: float = PATIENCE) -> list[Received]:
        """What was received, once it is so many requests."""
        until = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < until, f"{len(self.received)} of {count} messages came"
            time.sleep(0.01)
        return self.received


def status(code: int, headers: str = "") -> Answer:
    """An answer without a body."""
    text = f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\n{headers}\r\n"
    return lambda connection: connection.sendall(text.encode())


@contextmanager
def receiving(
    *answers: Answer, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Receive for as long as the block lasts. The last answer is given again and again."""
    made = Receiver(host, 0, list(answers) or [status(204)])
    lock = threading.Lock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with lock:
                made.connections += 1
            connection = self.request
            try:
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                connection.settimeout(20)
                file = connection.makefile("rb")
                _, path, _ = file.readline().decode().split()
                headers = {}
                while line := file.readline().decode().strip():
                    name, _, value = line.partition(": ")
                    headers[name.lower()] = value
                body = file.read(int(headers.get("content-length", "0")))
                with lock:
                    made.received.append(Received(path, headers, body))
                    answer = made.answers[min(len(made.received), len(made.answers)) - 1]
                answer(connection)
            except (OSError, ValueError):
                pass

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

    with Server((host, port), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()

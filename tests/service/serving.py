"""A service on a port of this machine, with a folder of models."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from circuits.circuit import Circuit
from circuits.compile import compile_file
from service.parts import Parts
from service.server import Server
from service.settings import Settings
from tests.service.tables import make_sqlite


def compiled(digits: Path) -> Circuit:
    """The digits MLP."""
    return compile_file(digits / "mlp.onnx", digits / "calibration.npz").circuit


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Parts]:
    """A service's parts, all in one folder unless the settings say otherwise."""
    chosen = Settings(data=folder, **settings)
    if chosen.database is None and not (folder / "service.db").exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_sqlite(folder / "service.db")
    with Parts.open(chosen) as parts:
        yield parts


def add_model(parts: Parts, tenant: str, circuit: Circuit, name: str = "digits") -> tuple[str, str]:
    """Make a circuit the newest version of a tenant's model. Returns the version's id and number."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.circuit"
        circuit.save(path)
        return parts.models.add(tenant, name, path)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application for as long as the block lasts. Yields host:port."""
    server = Server(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on")
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until, "the service did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def images(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Inputs for the digits, within their bounds."""
    rng = np.random.default_rng(count)
    return (rng.integers(0, 17, (count, 1, 8, 8)) / 16).astype(np.float32)


@dataclass(frozen=True)
class Reply:
    """What a request was answered with."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(where: str, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    """Ask a service; a body that is not bytes is sent as JSON. Headers have `_` for `-`."""
    connection = http.client.HTTPConnection(where, timeout=60)
    try:
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {} if body is None else {"Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, sent, given)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, found, response.read())
    finally:
        connection.close()

"""A service on a port of this machine, with a folder of models."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import uvicorn

from circuits.circuit import Circuit
from circuits.compile import compile_file
from service.parts import Parts
from service.settings import Settings


def compiled(digits: Path) -> Circuit:
    """The digits MLP."""
    return compile_file(digits / "mlp.onnx", digits / "calibration.npz").circuit


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Parts]:
    """A service's parts, all in one folder unless the settings say otherwise."""
    with Parts.open(Settings(data=folder, **settings)) as parts:
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
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
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

"""A service on a port of this machine, with a folder of models."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from circuits.circuit import Circuit
from circuits.compile import compile_file
from service.inference import Settlement
from service.receipts import ReceiptSigner


class Jobs:
    """Keeps what is submitted."""

    def __init__(self) -> None:
        self.kept: list[Settlement] = []

    def __call__(self, settlement: Settlement) -> str:
        self.kept.append(settlement)
        return f"job-{len(self.kept)}"


def compiled(folder: Path, digits: Path) -> Circuit:
    """The digits MLP."""
    circuit = compile_file(digits / "mlp.onnx", digits / "calibration.npz").circuit
    (folder / "digits").mkdir(parents=True)
    for version in (1, 10):
        circuit.save(folder / "digits" / f"{version}.circuit")
    return circuit


def signer(path: Path) -> ReceiptSigner:
    """A new key in a file."""
    return ReceiptSigner.create(path)


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

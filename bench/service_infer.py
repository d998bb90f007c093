"""What a receipt costs: `verinfer serve` against a bare FastAPI endpoint with onnxruntime, at the same load.

Both are one process, started the way their users start them, and get the same bodies: images of the digits as
JSON. They take turns, round by round, and are measured by one client on the same machine, which therefore
takes its share of the processors. Each answer is looked at: none may be lost, and each has its receipt.
A ratio is the median of the rounds' ratios, since what else the machine does hits a round, not a side.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bench.bare_endpoint import DIGITS
from bench.service_process import Server, running
from circuits.compile import compile_file
from service.receipt_check import Keyring, check_receipt
from service.receipts import ReceiptSigner

BODIES = 50
PATH = "/v2/models/digits/infer"
FIGURES = ("p50_ms", "p99_ms", "per_second", "cpu_us")
LOADS = ((64, 8000), (1, 2000))
"""Connections, and requests over all of them."""
ROUNDS = 20
WARM_UP = 2000
"""Requests that are not counted: meanwhile the service's worker starts, beside the server."""


async def load(
    server: Server, bodies: list[bytes], requests: int, connections: int
) -> tuple[list[float], list[Any]]:
    """Milliseconds for each request, and the answers. Each connection asks again when it is answered."""
    times: list[float] = []
    answers: list[Any] = []
    left = iter(range(requests))

    async def ask(session: aiohttp.ClientSession) -> None:
        for i in left:
            start = time.perf_counter()
            async with session.post(server.url + PATH, data=bodies[i % BODIES]) as response:
                body = await response.read()
                if response.status != 200:
                    raise SystemExit(f"{server.url} answered {response.status}: {body!r:.200}")
            times.append((time.perf_counter() - start) * 1000)
            answers.append((i, body))

    connector = aiohttp.TCPConnector(limit=connections)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await asyncio.gather(*(ask(session) for _ in range(connections)))
    return times, answers


def _round(
    server: Server, bodies: list[bytes], requests: int, connections: int
) -> tuple[dict[str, float], list[Any]]:
    """One side's turn: its figures, by the names in `FIGURES`, and the answers."""
    start, used = time.perf_counter(), server.cpu_seconds
    times, answers = asyncio.run(load(server, bodies, requests, connections))
    seconds, used = time.perf_counter() - start, server.cpu_seconds - used
    p50, p99 = np.percentile(times, (50, 99))
    values = (float(p50), float(p99), requests / seconds, 1e6 * used / requests)
    return dict(zip(FIGURES, values, strict=True)), answers


def measure() -> list[dict[str, Any]]:
    """Both sides under each load: percentiles in milliseconds, requests a second, processor time for one; and
    the ratios."""
    samples = np.load(DIGITS / "heldout.npz")["image"][:BODIES].reshape(-1, 1, 1, 8, 8)
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32"}
    bodies = [
        json.dumps({"inputs": [{**tensor, "data": image.ravel().tolist()}]}).encode() for image in samples
    ]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        circuit = folder / "digits.circuit"
        compile_file(DIGITS / "mlp.onnx", DIGITS / "calibration.npz").circuit.save(circuit)
        serve = (
            "verinfer.cli",
            "serve",
            str(circuit),
            "--port",
            "0",
            "--data",
            str(folder / "data"),
            "--log",
            "json",
        )
        servers = {
            "bare": stack.enter_context(running(folder, "uvicorn", "bench.bare_endpoint:app", "--port", "0")),
            "verinfer": stack.enter_context(running(folder, *serve)),
        }
        keyring = Keyring([ReceiptSigner.load(folder / "data" / "receipt-key.pem").public_key])
        for server in servers.values():
            asyncio.run(load(server, bodies, WARM_UP, LOADS[0][0]))
        return [_compared(servers, bodies, keyring, *given) for given in LOADS]


def _compared(
    servers: dict[str, Server], bodies: list[bytes], keyring: Keyring, connections: int, requests: int
) -> dict[str, Any]:
    answered = dict.fromkeys(servers, 0)
    measured: dict[str, list[dict[str, float]]] = {side: [] for side in servers}
    for _ in range(ROUNDS):
        for side, server in servers.items():
            figures, answers = _round(server, bodies, requests // ROUNDS, connections)
            measured[side].append(figures)
            answered[side] += len(answers)
            if side == "verinfer":
                _, last = answers[-1]
                check_receipt(json.loads(last)["parameters"]["receipt"], keyring)
                assert all(b'"receipt"' in body for _, body in answers)
    sides = {
        side: {"requests": answered[side]}
        | {key: round(float(np.median([one[key] for one in found])), 2) for key in FIGURES}
        for side, found in measured.items()
    }
    pairs = list(zip(measured["verinfer"], measured["bare"], strict=True))
    ratios = {
        key: round(float(np.median([ours[key] / bare[key] for ours, bare in pairs])), 2) for key in FIGURES
    }
    return {"connections": connections, **sides, "ratios": ratios}

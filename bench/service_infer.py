"""What a receipt costs: `verinfer serve` against a bare FastAPI endpoint with onnxruntime, at the same load.

Both are one process, started the way their users start them, and get the same bodies: images of the digits as
JSON. They take turns, round by round, and are measured by one client on the same machine, which therefore
takes its share of the processors. Each answer is looked at: none may be lost, and each has its receipt.
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


def measure(requests: int = 2000, connections: int = 64, rounds: int = 5) -> dict[str, Any]:
    """Both sides: percentiles in milliseconds, requests a second, processor time for one; and the ratios."""
    samples = np.load(DIGITS / "heldout.npz")["image"][:BODIES].reshape(-1, 1, 1, 8, 8)
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32"}
    bodies = [
        json.dumps({"inputs": [{**tensor, "data": image.ravel().tolist()}]}).encode() for image in samples
    ]
    times: dict[str, list[float]] = {"bare": [], "verinfer": []}
    seconds, cpu = dict.fromkeys(times, 0.0), dict.fromkeys(times, 0.0)
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
            asyncio.run(load(server, bodies, 200, connections))
        for _ in range(rounds):
            for side, server in servers.items():
                start, used = time.perf_counter(), server.cpu_seconds
                found, answers = asyncio.run(load(server, bodies, requests // rounds, connections))
                seconds[side] += time.perf_counter() - start
                cpu[side] += server.cpu_seconds - used
                times[side] += found
                if side == "verinfer":
                    _, last = answers[-1]
                    check_receipt(json.loads(last)["parameters"]["receipt"], keyring)
                    assert all(b'"receipt"' in body for _, body in answers)
    sides = {
        side: {
            "requests": len(found),
            "p50_ms": round(float(np.percentile(found, 50)), 2),
            "p99_ms": round(float(np.percentile(found, 99)), 2),
            "per_second": round(len(found) / seconds[side]),
            "cpu_us": round(1e6 * cpu[side] / len(found)),
        }
        for side, found in times.items()
    }
    ratios = {
        what: round(sides["verinfer"][what] / sides["bare"][what], 2)
        for what in ("p50_ms", "p99_ms", "cpu_us")
    }
    return {"connections": connections, **sides, "ratios": ratios}

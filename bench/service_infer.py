"""What a receipt costs: the service against a bare FastAPI endpoint with onnxruntime, at the same load.

python -m bench.service_infer                       2,000 requests over 64 connections, each side
python -m bench.service_infer --requests 500 --connections 8 --rounds 5

Both sides are one process with one uvicorn and get the same bodies, images of the digits example as JSON; the
bare endpoint reads and answers the same protocol, and does nothing else. They take turns, round by round, and
are measured by one client on the same machine, which therefore takes its share of the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from circuits.compile import compile_file
from service.application import application
from service.parts import LOCAL_TENANT, Parts
from service.receipt_check import Keyring, check_receipt
from service.receipts import ReceiptSigner
from service.settings import Settings

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
BODIES = 50


class Tensor(BaseModel):
    """An input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Body(BaseModel):
    """A request."""

    inputs: list[Tensor]


def bare(folder: Path) -> FastAPI:
    """The model by onnxruntime, behind the protocol's path and nothing else."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(DIGITS / "mlp.onnx", options)
    app = FastAPI()

    @app.post("/v2/models/digits/infer")
    async def infer(body: Body) -> dict[str, Any]:
        tensor = body.inputs[0]
        image = np.array(tensor.data, np.float32).reshape(tensor.shape)
        [logits] = session.run(None, {tensor.name: image})
        output = {
            "name": "logits",
            "datatype": "FP32",
            "shape": logits.shape,
            "data": logits.ravel().tolist(),
        }
        return {"model_name": "digits", "outputs": [output]}

    return app


def with_receipts(folder: Path) -> FastAPI:
    """The service."""
    parts = Parts.open(Settings(data=folder, workers=0))
    parts.models.add(parts.tenant(LOCAL_TENANT), "digits", folder / "digits.circuit")
    return application(parts)


SIDES = {"bare": bare, "verinfer": with_receipts}


def serve(side: str, folder: Path, ready: Connection) -> None:
    """Serve one side until the process is ended."""
    server = uvicorn.Server(uvicorn.Config(SIDES[side](folder), "127.0.0.1", 0, log_level="warning"))

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        ready.send(server.servers[0].sockets[0].getsockname()[1])
        await serving

    asyncio.run(run())


@contextmanager
def serving(side: str, folder: Path) -> Iterator[str]:
    """A side in a process of its own. Yields its URL."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(side, folder, there), daemon=True)
    process.start()
    try:
        if not here.poll(60):
            raise SystemExit(f"{side} did not start")
        yield f"http://127.0.0.1:{here.recv()}/v2/models/digits/infer"
    finally:
        process.terminate()
        process.join()


async def load(url: str, bodies: list[bytes], requests: int, connections: int) -> tuple[list[float], bytes]:
    """Milliseconds for each request, and the last answer. Each connection asks again when it is answered."""
    times: list[float] = []
    last = b""
    left = iter(range(requests))

    async def ask(session: aiohttp.ClientSession) -> None:
        nonlocal last
        for i in left:
            start = time.perf_counter()
            async with session.post(url, data=bodies[i % BODIES]) as response:
                last = await response.read()
                if response.status != 200:
                    raise SystemExit(f"{url} answered {response.status}: {last!r:.200}")
            times.append((time.perf_counter() - start) * 1000)

    connector = aiohttp.TCPConnector(limit=connections)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await asyncio.gather(*(ask(session) for _ in range(connections)))
    return times, last


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000, help="for each side")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5, help="turns that the requests are spread over")
    given = parser.parse_args()
    samples = np.load(DIGITS / "heldout.npz")["image"][:BODIES].reshape(-1, 1, 1, 8, 8)
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32"}
    bodies = [
        json.dumps({"inputs": [{**tensor, "data": image.ravel().tolist()}]}).encode() for image in samples
    ]
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    seconds = dict.fromkeys(SIDES, 0.0)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        compile_file(DIGITS / "mlp.onnx", DIGITS / "calibration.npz").circuit.save(folder / "digits.circuit")
        signer = ReceiptSigner.create(folder / "receipt-key.pem")
        urls = {side: stack.enter_context(serving(side, folder)) for side in SIDES}
        for url in urls.values():
            asyncio.run(load(url, bodies, 200, given.connections))
        for _ in range(given.rounds):
            for side, url in urls.items():
                start = time.perf_counter()
                found, last = asyncio.run(
                    load(url, bodies, given.requests // given.rounds, given.connections)
                )
                seconds[side] += time.perf_counter() - start
                times[side] += found
        check_receipt(json.loads(last)["parameters"]["receipt"], Keyring([signer.public_key]))
    print(f"{given.connections} connections; milliseconds for a request, requests for each second")
    for side, found in times.items():
        p50, p99 = np.percentile(found, [50, 99])
        print(
            f"{side:10} p50 {p50:7.2f}  p99 {p99:7.2f}  {len(found) / seconds[side]:7.0f}/s  of {len(found)}"
        )
    ratios = [np.percentile(times["verinfer"], q) / np.percentile(times["bare"], q) for q in (50, 99)]
    print(f"{'ratio':10} p50 {ratios[0]:7.2f}  p99 {ratios[1]:7.2f}")


if __name__ == "__main__":
    main()

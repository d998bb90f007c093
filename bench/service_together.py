"""What it saves to prove waiting jobs together: `python -m bench.service_together`.

For the digits circuits: proofs of one sample and of several, made and checked the way a worker does both.
Each cell: the seconds for all samples. Then a worker's own queue of as many jobs, submitted `alone` or not,
from the first claimed to the last ended.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from circuits.compile import compile_file
from circuits.data import quantise_inputs
from circuits.tensor import IntArray
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from service.database import Kind
from service.handlers.prove import ProveHandler
from service.jobs import Order
from service.parts import LOCAL_TENANT, Parts
from service.settings import Settings
from service.worker import Worker
from verifier.srs import SrsStore
from verifier.verify import verify

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
SAMPLES = 8
REPEATS = 3


def main() -> None:
    """Measure and print."""
    table = Table(
        "circuit", f"{SAMPLES} proofs", f"1 proof of {SAMPLES}", f"{SAMPLES} jobs alone", "together"
    )
    with tempfile.TemporaryDirectory() as folder:
        store = SrsStore(Path(folder) / "srs")
        store.generate(12)
        for name in ("mlp", "cnn"):
            circuit = compile_file(DIGITS / f"{name}.onnx", DIGITS / "calibration.npz").circuit
            data = np.load(DIGITS / "calibration.npz")
            [inputs] = quantise_inputs(circuit, [data[data.files[0]][:SAMPLES].reshape(SAMPLES, 1, 1, 8, 8)])
            path = Path(folder) / f"{name}.circuit"
            circuit.save(path)
            key = SumcheckBackend().setup(circuit, store.find, silent).key
            prover = SumcheckBackend().load(circuit, key, store.find, silent)

            def proved(parts: list[IntArray]) -> float:
                best = float("inf")
                for _ in range(REPEATS):
                    began = time.perf_counter()
                    for part in parts:
                        assert verify(prover.prove([part], silent).proof, key).valid  # noqa: B023
                    best = min(best, time.perf_counter() - began)
                return best

            one_by_one = proved([inputs[i : i + 1] for i in range(SAMPLES)])
            at_once = proved([inputs])
            alone, together = (done(path, store, inputs, flag) for flag in (True, False))
            seconds = (one_by_one, at_once, alone, together)
            table.add_row(name, *(f"{each:.2f} s" for each in seconds))
    Console().print(table)


def done(path: Path, store: SrsStore, inputs: IntArray, alone: bool) -> float:
    """The seconds that one worker takes for a job for each sample."""
    with tempfile.TemporaryDirectory() as folder, Parts.open(Settings(data=Path(folder))) as parts:
        tenant = parts.tenant(LOCAL_TENANT)
        version, _ = parts.models.add(tenant, "digits", path)
        ids = []
        for sample in inputs:
            document = io.BytesIO(json.dumps({"input_ints": [sample.reshape(-1).tolist()]}).encode())
            request = {"input": parts.artifacts.put(tenant, document, "application/json")}
            order = Order(Kind.PROVE, "sumcheck", {**request, **({"alone": True} if alone else {})}, version)
            ids.append(parts.jobs.submit(tenant, order).id)
        worker = Worker(
            parts.leases, {Kind.PROVE: ProveHandler(parts.database, parts.artifacts, store)}, 0.01
        )
        began = time.perf_counter()
        worker.start()
        while any(parts.jobs.get(tenant, job).finished_at is None for job in ids):
            time.sleep(0.01)
        taken = time.perf_counter() - began
        worker.stop()
        assert all(parts.jobs.get(tenant, job).error is None for job in ids)
        return taken


if __name__ == "__main__":
    main()

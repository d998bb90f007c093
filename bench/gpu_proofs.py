"""Whole proofs on a GPU and on the CPU: the same bytes, and the time of each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from circuits.circuit import Circuit
from prover.backend import Choices, Prover
from prover.cuda.driver import Driver
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from prover.sumcheck.cost import cost_of, cuda_bytes
from prover.sumcheck.cuda import CudaDevice
from verifier.srs import SrsStore
from verifier.sumcheck.key import decode_options
from verifier.sumcheck.plan import make_plan
from verifier.sumcheck.structure import structure_of
from verifier.verify import verify

_RUNS = 3


class Bench:
    """Proofs with chunks of 2^chunk_bits numbers, over a development reference string."""

    def __init__(self, driver: Driver, chunk_bits: int, srs: Path | None, with_cpu: bool) -> None:
        self._driver, self._chunk_bits, self._with_cpu = driver, chunk_bits, with_cpu
        self._store = SrsStore(srs or Path(tempfile.mkdtemp(prefix="verinfer-srs-")))

    def measure(self, label: str, circuit: Circuit, batch: int) -> dict[str, Any]:
        """One circuit: the times of a proof, of its stages, and how the devices compare."""
        gpu = SumcheckBackend(make_device=lambda points, threads: CudaDevice(points, self._driver))
        key = gpu.setup(circuit, self._store.generate, silent, Choices(chunk_bits=self._chunk_bits)).key
        counts = cost_of(
            circuit, make_plan(structure_of(circuit), decode_options(key.sections["options"]), batch)
        ).counts
        rng = np.random.default_rng(0)
        nodes = [circuit.nodes[port.node] for port in circuit.inputs]
        inputs = [rng.integers(node.lo, node.hi, (batch, *node.shape), endpoint=True) for node in nodes]
        row: dict[str, Any] = {
            "network": label,
            "batch": batch,
            "parameters": circuit.parameters,
            "advice": counts.advice,
            "leaves": counts.leaves,
            "estimated_gpu_bytes": cuda_bytes(counts, thrifty=False),
        }
        proof, row["gpu_seconds"], row["gpu_stages"] = _proved(
            gpu.load(circuit, key, self._store.generate, silent), inputs
        )
        pool = getattr(self._driver.xp, "get_default_memory_pool", None)
        if pool is not None:
            row["gpu_pool_bytes"] = pool().total_bytes()
            pool().free_all_blocks()
        verdict = verify(proof, key)
        if not verdict.valid:
            raise AssertionError(f"a proof of {label} by the GPU was refused: {verdict.reason}")
        if self._with_cpu:
            loaded = SumcheckBackend().load(circuit, key, self._store.generate, silent)
            expected, row["cpu_seconds"], row["cpu_stages"] = _proved(loaded, inputs)
            if proof.encode() != expected.encode():
                raise AssertionError(f"the proofs of {label} by the CPU and the GPU differ")
        row["proof_bytes"] = len(proof.encode())
        cpu = f"{row['cpu_seconds']:8.3f} s" if self._with_cpu else "not run"
        print(
            f"{label} x {batch}: GPU {row['gpu_seconds']:8.3f} s   CPU {cpu}   same bytes, valid", flush=True
        )
        return row


def _proved(prover: Prover, inputs: Sequence[Any]) -> tuple[Any, float, dict[str, float]]:
    """The proof, the least time of a few, and its stages' times."""
    best: tuple[Any, float, dict[str, float]] | None = None
    for _ in range(_RUNS):
        stages: dict[str, float] = {}
        steps = _Steps(stages)
        proven = prover.prove(inputs, steps)
        steps("")
        if best is None or proven.seconds < best[1]:
            best = proven.proof, proven.seconds, stages
    assert best is not None
    return best


class _Steps:
    """A `Progress` that notes what each step takes. The GPU works on after a step is named, so that a step's
    end is only as exact as the last number that it waited for.
    """

    def __init__(self, stages: dict[str, float]) -> None:
        self._stages, self._name, self._began = stages, "", time.perf_counter()

    def __call__(self, step: str) -> None:
        now = time.perf_counter()
        if self._name:
            self._stages[self._name] = now - self._began
        self._name, self._began = step, now

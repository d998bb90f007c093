"""Measuring backends side by side: setup, proof and check of the same circuits on the same samples."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from circuits.circuit import Circuit
from circuits.cost import total
from circuits.errors import CheckFailed, InputError
from circuits.executor import execute
from circuits.tensor import IntArray
from prover.backend import Backend, FindSrs
from prover.backends import backend
from prover.progress import Progress, silent
from verifier.srs import SrsStore, StoredSrs
from verifier.verify import verify

MOST_GENERATED_BITS = 18
"""A development SRS of 2^18 points takes about a minute to make; a larger one must be there."""


@dataclass(frozen=True)
class Job:
    """A circuit to measure, and one sample for it."""

    label: str
    circuit: Circuit
    inputs: Sequence[IntArray]


def random_inputs(circuit: Circuit, seed: int = 0) -> list[IntArray]:
    """One sample of integers within the bounds of the circuit's inputs: what a proof costs does not depend on
    them.
    """
    rng = np.random.default_rng(seed)
    nodes = [circuit.nodes[port.node] for port in circuit.inputs]
    return [rng.integers(node.lo, node.hi, (1, *node.shape), dtype=np.int64, endpoint=True) for node in nodes]


def measure(
    job: Job, name: str, runs: int, threads: int | None, device: str, progress: Progress
) -> dict[str, Any]:
    """One backend on one circuit: medians over the runs, or why there is nothing to measure.

    The setup is timed only where its keys are not in the cache yet; the time of a proof begins with the
    inputs, everything else being loaded.
    """
    row = {
        "circuit": job.label,
        "backend": name,
        "parameters": job.circuit.parameters,
        "activations": total(job.circuit).witness,
    }
    try:
        return row | _measured(job, backend(name, threads, device), runs, progress)
    except InputError as error:
        return row | {"refused": str(error)}


def measure_apart(
    job: Job, name: str, runs: int, threads: int | None, device: str, progress: Progress
) -> dict[str, Any]:
    """`measure` in a process of its own, which has nothing in memory but this circuit and this backend."""
    progress(f"measuring {name} on {job.label}")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, job, name, runs, threads, device, silent).result()


def _measured(job: Job, prover: Backend, runs: int, progress: Progress) -> dict[str, Any]:
    prover.check(job.circuit)
    find = _generating(progress)
    done = prover.setup(job.circuit, find, progress)
    began = time.perf_counter()
    loaded = prover.load(job.circuit, done.key, find, progress)
    loading = time.perf_counter() - began
    began = time.perf_counter()
    execute(job.circuit, job.inputs)
    executed = time.perf_counter() - began
    proofs = [loaded.prove(job.inputs, progress) for _ in range(runs)]
    progress("checking the proofs")
    checks = []
    for proven in proofs:
        began = time.perf_counter()
        verdict = verify(proven.proof, done.key)
        checks.append(time.perf_counter() - began)
        if not verdict.valid:
            raise CheckFailed(
                f"an honest proof of {job.label} by {prover.name} was refused: {verdict.reason}"
            )
    return {
        "setup_seconds": None if done.cached else round(done.seconds, 3),
        "load_seconds": round(loading, 3),
        "execute_seconds": round(executed, 5),
        "prove_seconds": round(statistics.median(p.seconds for p in proofs), 4),
        "verify_seconds": round(statistics.median(checks), 3),
        "proof_bytes": sum(map(len, proofs[0].proof.sections.values())),
        "key_bytes": len(done.key.encode()),
        "proving_key_bytes": done.proving_key_bytes,
        "peak_rss_bytes": max(p.peak_rss_bytes for p in proofs),
    }


def _generating(progress: Progress) -> FindSrs:
    """How a backend gets its SRS: from the store, or made for development, which will do for measuring."""
    store = SrsStore()

    def find(k: int) -> StoredSrs:
        try:
            return store.find(k)
        except InputError:
            if k > MOST_GENERATED_BITS:
                raise
        progress("making a development SRS")
        return store.generate(k)

    return find


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text("utf-8").splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }

"""Fits the factors of the sumcheck backend's cost model to measured proofs: `python -m bench.sumcheck_cost`.

It proves convolutional networks, dense networks and transformer blocks of several sizes, and any circuits
named on the command line, each in a process of its own, and prints what was measured and predicted; then the
factors, to be put into `prover/sumcheck/cost.py`. Where measurements do not tell two factors apart, they stay
near those that stand there. Run it on an idle machine, or with --busy, which takes processor time instead.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.file import load
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from prover.sumcheck.cost import BYTES, FIXED_BYTES, FIXED_SECONDS, SECONDS, Cost, cost_of
from verifier.srs import SrsStore
from verifier.sumcheck.key import decode_options
from verifier.sumcheck.plan import make_plan
from verifier.sumcheck.structure import structure_of
from verinfer.bench import random_inputs

RUNS = 3
STIFFNESS = 0.1
"""How much a factor resists: a factor that doubles weighs as much as a proof that is 10 % off."""


def convolutions(side: int, channels: int, layers: int) -> Circuit:
    """3x3 convolutions with ReLU on a square image."""
    b, rng = CircuitBuilder(), np.random.default_rng(side)
    x = b.input("x", (1, side, side, channels), -128, 127, 1.0, "int")
    window = {"strides": [1, 1], "pads_before": [1, 1], "pads_after": [1, 1], "dilations": [1, 1]}
    for _ in range(layers):
        w = b.constant(rng.integers(-127, 128, (channels, 3, 3, channels)))
        x = b.add("rescale", [b.add("conv", [x, w], groups=1, **window)], mul=1, shift=10, lo=0, hi=127)
    return b.build([Port("y", x, 1.0, "int")], {})


def dense(width: int, layers: int) -> Circuit:
    """Matrix products with ReLU."""
    b, rng = CircuitBuilder(), np.random.default_rng(width)
    x = b.input("x", (1, width), -128, 127, 1.0, "int")
    for _ in range(layers):
        product = b.add("matmul", [x, b.constant(rng.integers(-127, 128, (width, width)))])
        x = b.add("rescale", [product], mul=1, shift=9, lo=0, hi=127)
    return b.build([Port("y", x, 1.0, "int")], {})


def attention(tokens: int, width: int, layers: int) -> Circuit:
    """Products of activations with activations, and a dense layer."""
    b, rng = CircuitBuilder(), np.random.default_rng(tokens)
    x = b.input("x", (tokens, width), -128, 127, 1.0, "int")
    for _ in range(layers):
        scores = b.add("matmul", [x, b.add("transpose", [x], perm=[1, 0])])
        weights = b.add("rescale", [scores], mul=1, shift=12, lo=-128, hi=127)
        mixed = b.add("rescale", [b.add("matmul", [weights, x])], mul=1, shift=10, lo=-128, hi=127)
        product = b.add("matmul", [mixed, b.constant(rng.integers(-127, 128, (width, width)))])
        x = b.add("rescale", [product], mul=1, shift=10, lo=-128, hi=127)
    return b.build([Port("y", x, 1.0, "int")], {})


def circuits(paths: list[str]) -> Iterator[tuple[str, Circuit]]:
    """What is proved."""
    for side, channels, layers in ((8, 8, 2), (16, 16, 4), (32, 16, 4), (32, 64, 6), (64, 32, 3)):
        yield f"{layers} convolutions {side}x{side}x{channels}", convolutions(side, channels, layers)
    for width, layers in ((64, 3), (512, 3), (1024, 4)):
        yield f"{layers} dense {width}", dense(width, layers)
    for tokens, width, layers in ((16, 64, 2), (64, 128, 4)):
        yield f"{layers} attention {tokens}x{width}", attention(tokens, width, layers)
    for path in paths:
        yield Path(path).stem, load(path)


@dataclass(frozen=True)
class Measured:
    """What a proof took, and what was counted beforehand."""

    seconds: float
    peak_bytes: int
    cost: Cost


def measure(circuit: Circuit, busy: bool) -> Measured:
    """Prove a circuit a few times."""
    clock = time.process_time if busy else time.perf_counter
    store, backend = SrsStore(), SumcheckBackend()
    key = backend.setup(circuit, store.generate, silent).key
    prover = backend.load(circuit, key, store.find, silent)
    inputs, times, peak = random_inputs(circuit), [], 0
    for _ in range(RUNS):
        began = clock()
        peak = max(peak, prover.prove(inputs, silent).peak_rss_bytes)
        times.append(clock() - began)
    plan = make_plan(structure_of(circuit), decode_options(key.sections["options"]), 1)
    return Measured(float(np.median(times)), peak, cost_of(circuit, plan))


def fit(counts: Any, measured: Any, prior: Any) -> Any:
    """The factors that make relative errors small, and do not stray far from `prior` without need."""
    rows = counts / measured[:, None] * prior
    matrix = np.vstack([rows, STIFFNESS * np.eye(len(prior))])
    target = np.concatenate([np.ones(len(measured)), np.full(len(prior), STIFFNESS)])
    factors = np.ones(len(prior))
    squares = (matrix**2).sum(axis=0)
    for _ in range(5_000):  # by coordinates: none may be negative
        for j in range(len(prior)):
            rest = target - matrix @ factors + matrix[:, j] * factors[j]
            factors[j] = max(0.0, matrix[:, j] @ rest / squares[j])
    return factors * prior


def main() -> None:
    """Measure, fit, print."""
    busy = "--busy" in sys.argv
    found: list[Measured] = []
    print(f"{'':32}{'measured':>12}{'predicted':>12}{'memory':>12}{'predicted':>12}")
    for name, circuit in circuits([path for path in sys.argv[1:] if not path.startswith("-")]):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            one = pool.submit(measure, circuit, busy).result()
        found.append(one)
        print(
            f"{name:32}{one.seconds:10.3f} s{one.cost.prove_seconds:10.3f} s"
            f"{one.peak_bytes / 1e6:9.0f} MB{one.cost.prove_bytes / 1e6:9.0f} MB",
            flush=True,
        )
    for what, old, fixed, measured in (
        ("SECONDS", SECONDS, FIXED_SECONDS, [one.seconds for one in found]),
        ("BYTES", BYTES, FIXED_BYTES, [one.peak_bytes for one in found]),
    ):
        counts = np.array([[1, *(getattr(one.cost.counts, name) for name in old)] for one in found], float)
        target = np.array(measured, float)
        factors = fit(counts, target, np.array([fixed, *old.values()], float))
        worst = np.max(np.abs(np.log2(counts @ factors / target)))
        print(f"\n{what}, off by at most a factor of {2**worst:.2f}; fixed {factors[0]:.3g}")
        for name, factor in zip(old, factors[1:], strict=True):
            print(f'    "{name}": {factor:.2g},')


if __name__ == "__main__":
    main()

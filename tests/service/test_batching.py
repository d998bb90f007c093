"""Batches of requests: everybody gets what is theirs, and who waits is run together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from circuits.circuit import Circuit, Node, Port
from service import batching
from service.batching import Batcher

INPUT = Node("input", (), {}, (2,), -100, 100, "x")
DOUBLE = Node("add", (0, 0), {}, (2,), -200, 200, "y")
CIRCUIT = Circuit((INPUT, DOUBLE), {}, (Port("x", 0, 1.0, "int"),), (Port("y", 1, 1.0, "int"),))


def given(*values: int) -> list[Any]:
    """One sample for each value."""
    return [np.array([[v, v + 1] for v in values], np.int8)]


def run_together(batcher: Batcher, requests: list[list[Any]], pool: ThreadPoolExecutor) -> list[Any]:
    """Have requests wait, in this order, until all are there."""
    with batcher._turn:
        futures = []
        for count, inputs in enumerate(requests, 1):
            futures.append(pool.submit(batcher.run, inputs))
            until = time.monotonic() + 30
            while len(batcher._waiting) < count:
                assert time.monotonic() < until
                time.sleep(0.001)
    return futures


def test_who_waits_is_run_together() -> None:
    CIRCUIT.validate()
    batcher = Batcher(CIRCUIT)
    requests = [given(1), given(2, 3, 4), given(5), given(-90)]
    with ThreadPoolExecutor(4) as pool:
        answers = [future.result(30) for future in run_together(batcher, requests, pool)]
    assert batcher.batches == 1
    for [x], [y] in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(y, 2 * x.astype(int))


def test_a_batch_has_its_limit_and_one_request_may_pass_it() -> None:
    batcher = Batcher(CIRCUIT, max_batch=3)
    requests = [given(1, 2), given(3, 4), given(5), given(*range(10)), given(7)]
    with ThreadPoolExecutor(5) as pool:
        answers = [future.result(30) for future in run_together(batcher, requests, pool)]
    assert batcher.batches == 4  # [2], [2, 1], [10], [1]
    for [x], [y] in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(y, 2 * x.astype(int))


def test_a_batch_that_fails_fails_for_all_in_it_and_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = Batcher(CIRCUIT)

    def fail(circuit: Circuit, inputs: Any) -> Any:
        raise MemoryError("no room")

    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(batching, "execute", fail)
        for future in run_together(batcher, [given(1), given(2)], pool):
            with pytest.raises(MemoryError):
                future.result(30)
    [y] = batcher.run(given(3))
    assert y.tolist() == [[6, 8]]

"""Runs a circuit for many requests at a time: while one batch is run, what arrives gathers into the next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from circuits.circuit import Circuit
from circuits.executor import execute
from circuits.tensor import IntArray

MAX_BATCH = 256
"""How many samples are run at a time, unless one request has more."""


class _Waiting:
    """A request's inputs, and later its outputs."""

    def __init__(self, inputs: Sequence[IntArray]) -> None:
        self.inputs = inputs
        self.samples = inputs[0].shape[0]
        self.outputs: list[IntArray] | None = None
        self.error: Exception | None = None


class Batcher:
    """Runs one circuit, one batch at a time, in the threads of those who ask.

    Whoever gets the turn runs the inputs of all who wait, in the order in which they came. A request that
    comes alone is run at once.
    """

    def __init__(self, circuit: Circuit, max_batch: int = MAX_BATCH) -> None:
        self._circuit = circuit
        self._max_batch = max_batch
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self.batches = 0
        """How many have been run."""

    def run(self, inputs: Sequence[IntArray]) -> list[IntArray]:
        """The circuit's outputs, as `circuits.executor.execute` gives them.

        Parameters
        ----------
        inputs
            As `circuits.executor.checked` gives them; others would spoil the whole batch.
        """
        mine = _Waiting(inputs)
        with self._lock:
            self._waiting.append(mine)
        with self._turn:
            while mine.outputs is None and mine.error is None:
                self._run_batch()
        if mine.error is not None:
            raise mine.error
        assert mine.outputs is not None
        return mine.outputs

    def _run_batch(self) -> None:
        with self._lock:
            batch = [self._waiting.popleft()]
            samples = batch[0].samples
            while self._waiting and samples + self._waiting[0].samples <= self._max_batch:
                batch.append(self._waiting.popleft())
                samples += batch[-1].samples
        self.batches += 1
        try:
            joined = [np.concatenate(parts) for parts in zip(*(one.inputs for one in batch), strict=True)]
            outputs = execute(self._circuit, joined)
        except Exception as error:
            for one in batch:
                one.error = error
            return
        start = 0
        for one in batch:
            one.outputs = [output[start : start + one.samples] for output in outputs]
            start += one.samples

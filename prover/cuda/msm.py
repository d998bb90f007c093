"""Commitments on a GPU: `prover/kernels/cuda/msm.cu` and what chooses its windows and pieces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from prover.cuda.driver import THREADS, Array
from prover.cuda.kernels import WORDS, Kernels
from verifier.bn254 import G1_BYTES, SCALAR_FIELD

_POINT_BYTES = 128
"""Of a point in a bucket."""
_MOST_BUCKETS, _MOST_ENTRIES = 1 << 21, 1 << 28
"""Of one piece of work, so that its buckets take 256 MiB and its sorted digits 1 GiB."""
_SHORTEST_RUN, _MOST_RUNS = 16, 1 << 18
_ADDITIONS_OF_A_BUCKET = 4
"""What a bucket costs beside what goes into it, in additions."""


class Bases:
    """Points of G1 to commit with.

    Parameters
    ----------
    raw
        Points of 64 bytes: x * 2^256 mod q and y * 2^256 mod q, little-endian, as SRS files hold them.

    Raises
    ------
    ValueError
        For a point at infinity or off the curve, or one that is not canonical.
    """

    def __init__(self, kernels: Kernels, raw: bytes) -> None:
        self._kernels, self._xp = kernels, kernels.xp
        self.length = len(raw) // G1_BYTES
        self._points = kernels.driver.upload(np.frombuffer(raw, dtype=np.uint64).reshape(-1, 2 * WORDS))
        failed = self._xp.zeros(1, dtype=np.uint32)
        kernels.run("msm", "check_points", self.length, self._points, self.length, failed)
        if int(kernels.driver.download(failed)[0]):
            raise ValueError("a base is not a point of the curve other than infinity, or not canonical")

    def commit_elements(self, vectors: Sequence[Array]) -> bytes:
        """The commitments to vectors of field elements, 64 bytes each; zeros for the point at infinity."""
        lengths = [len(vector) for vector in vectors]
        together = vectors[0] if len(vectors) == 1 else self._xp.concatenate(list(vectors))
        return self._commit("element", self._xp.ascontiguousarray(together), lengths, (SCALAR_FIELD - 1) // 2)

    def commit_integers(self, rows: Array) -> bytes:
        """The commitments to the rows of a matrix of integers."""
        count, length = rows.shape
        if count == 0:
            return b""
        largest = max(int(rows.max()), -int(rows.min()))
        return self._commit(str(rows.dtype), self._xp.ascontiguousarray(rows), [length] * count, largest)

    def _commit(self, kind: str, scalars: Array, lengths: Sequence[int], largest: int) -> bytes:
        if max(lengths) > self.length:
            raise ValueError(f"{max(lengths)} scalars for {self.length} bases")
        count, bits = best_windows(lengths, largest)
        starts = list(itertools.accumulate(lengths, initial=0))
        made, first = [], 0
        while first < len(lengths):
            last = first + 1
            while last < len(lengths) and (
                (last + 1 - first) * count << (bits - 1) <= _MOST_BUCKETS
                and (starts[last + 1] - starts[first]) * count <= _MOST_ENTRIES
            ):
                last += 1
            made.append(self._commit_piece(kind, scalars, starts[first : last + 1], count, bits))
            first = last
        return b"".join(made)

    def _commit_piece(self, kind: str, scalars: Array, starts: Sequence[int], count: int, bits: int) -> bytes:
        run, xp = self._kernels.run, self._xp
        rows, work = len(starts) - 1, starts[-1] - starts[0]
        buckets_count = rows * count << (bits - 1)
        where = self._kernels.driver.upload(np.array(starts, dtype=np.uint64))
        begins = xp.zeros(buckets_count + 1, dtype=np.uint32)
        run("msm", f"count_digits_{kind}", work, scalars, where, rows, count, bits, begins[1:])
        begins = xp.cumsum(begins, dtype=np.uint32)
        entries = int(self._kernels.driver.download(begins[-1:])[0])
        buckets = xp.zeros((buckets_count, _POINT_BYTES // 8), dtype=np.uint64)
        if entries:
            order = xp.empty(entries, dtype=np.uint32)
            run("msm", f"sort_digits_{kind}", work, scalars, where, rows, count, bits, begins.copy(), order)
            self._sum_buckets(order, begins, buckets, entries)
        of_windows = xp.empty((rows * count, _POINT_BYTES // 8), dtype=np.uint64)
        launch = self._kernels.driver.launch
        launch("msm", "weigh_buckets", rows * count, buckets, 1 << (bits - 1), of_windows)
        points = xp.empty((rows, 2, 32), dtype=np.uint8)
        run("msm", "join_windows", rows, of_windows, rows, count, bits, points)
        return self._kernels.driver.download(points)[:, :, ::-1].tobytes()

    def _sum_buckets(self, order: Array, begins: Array, buckets: Array, entries: int) -> None:
        """Sum what is in each bucket."""
        run = self._kernels.run
        length = max(_SHORTEST_RUN, -(-entries // _MOST_RUNS))
        runs = -(-entries // length)
        keys, sums = self._of_runs(runs)
        run(
            "msm",
            "sum_points",
            runs,
            *(order, begins, len(buckets), entries, length, self._points, buckets, keys, sums),
        )
        while runs > 1:
            before, length = 2 * runs, _SHORTEST_RUN
            runs = -(-before // length)
            keys_before, sums_before = keys, sums
            keys, sums = self._of_runs(runs)
            run("msm", "sum_sums", runs, keys_before, sums_before, before, length, buckets, keys, sums)
        run("msm", "sum_last", THREADS, keys, sums, buckets)

    def _of_runs(self, runs: int) -> tuple[Array, Array]:
        """Room for the first and the last bucket of each run."""
        keys = self._xp.empty(2 * runs, dtype=np.uint32)
        return keys, self._xp.empty((2 * runs, _POINT_BYTES // 8), dtype=np.uint64)


def best_windows(lengths: Sequence[int], largest: int) -> tuple[int, int]:
    """How many windows of how many bits are the fewest additions, for scalars of such a magnitude."""

    def windows(bits: int) -> int:
        count = 1
        while 1 << (bits * count - 1) < largest:
            count += 1
        return count

    def cost(bits: int) -> int:
        buckets = (len(lengths) * _ADDITIONS_OF_A_BUCKET) << (bits - 1)
        return windows(bits) * (sum(lengths) + buckets)

    bits = min(range(1, 21), key=cost)
    return windows(bits), bits

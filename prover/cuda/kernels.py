"""Launching kernels: grids, field elements as arguments, and sums that come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prover.cuda.driver import THREADS, Array, Driver
from verifier.bn254 import SCALAR_FIELD

WORDS = 4
"""64-bit words of a field element."""
_R = (1 << 256) % SCALAR_FIELD
_R_INVERSE = pow(_R, -1, SCALAR_FIELD)
_MASK = (1 << 64) - 1
_MOST_SUMS = 3


class Kernels:
    """A driver, with what every launch needs."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.xp = driver, driver.xp
        self._partial = self.vectors(_MOST_SUMS * driver.most_blocks)
        self._sums = self.vectors(_MOST_SUMS)
        self._done = self.xp.zeros(1, dtype=np.uint32)

    def vectors(self, length: int) -> Array:
        """Room for so many field elements."""
        return self.xp.empty((length, WORDS), dtype=np.uint64)

    def elements(self, scalars: Sequence[int]) -> Array:
        """Scalars in [0, r) in Montgomery's form, on the device."""
        data = b"".join([(scalar * _R % SCALAR_FIELD).to_bytes(32, "little") for scalar in scalars])
        return self.driver.upload(np.frombuffer(data, dtype=np.uint64).reshape(-1, WORDS))

    def scalars(self, vector: Array) -> list[int]:
        """The other way round."""
        data = np.ascontiguousarray(self.driver.download(vector)).tobytes()
        return [
            int.from_bytes(data[i : i + 32], "little") * _R_INVERSE % SCALAR_FIELD
            for i in range(0, len(data), 32)
        ]

    def run(self, unit: str, kernel: str, work: int, *arguments: Array | int) -> None:
        """Start a kernel whose threads share `work`."""
        self.driver.launch(unit, kernel, self.blocks(work), *arguments)

    def sums(self, unit: str, kernel: str, work: int, count: int, *arguments: Array | int) -> list[int]:
        """Start a kernel that ends in `count` sums over its threads; the sums."""
        self.run(unit, kernel, work, *arguments, self._partial, self._done, self._sums)
        data = self.driver.download(self._sums[:count]).tobytes()
        return [int.from_bytes(data[i : i + 32], "little") for i in range(0, 32 * count, 32)]

    def blocks(self, work: int) -> int:
        """The blocks of a grid for so many threads' work."""
        return max(1, min(self.driver.most_blocks, -(-work // THREADS)))


def words(scalar: int) -> tuple[int, int, int, int]:
    """A scalar as four arguments of a kernel."""
    x = scalar * _R % SCALAR_FIELD
    return x & _MASK, x >> 64 & _MASK, x >> 128 & _MASK, x >> 192


def integer_name(dtype: Any) -> str:
    """The kernels' name of a type of integers."""
    return str(np.dtype(dtype))

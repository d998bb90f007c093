"""The fraction tree on a GPU: `prover/kernels/cuda/fractions.cu` says what is kept where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prover.cuda.driver import THREADS, Array
from prover.cuda.kernels import WORDS, Kernels, words
from prover.sumcheck.device import Vector
from verifier.bn254 import SCALAR_FIELD

_TILE = 256
"""Leaves whose numerators are all 1, or all kept."""
_UNITS = 0xFFFFFFFF
_STORED = 2
"""The first level that is kept."""
_BLOCK_BITS = THREADS.bit_length() - 1


class CudaTree:
    """A `FractionTree`."""

    def __init__(
        self, kernels: Kernels, rows: Array, denominators: Vector, numerators: Sequence[tuple[int, Vector]]
    ) -> None:
        self._kernels, self._xp = kernels, kernels.xp
        self._leaves = len(rows)
        place, special = self._special_numerators(numerators)
        # the tree keeps what its levels point to
        self._kept = (rows, denominators, place, special)
        self._stored: dict[int, tuple[Array, Array]] = {}
        self._top = max(_STORED, (self._leaves - 1).bit_length())
        for height in range(_STORED, self._top + 1):
            self._store(height)

    def nodes(self, height: int) -> int:
        """How many nodes of a level have leaves."""
        return -(-self._leaves // (1 << height))

    def level(self, height: int) -> tuple[Vector, Vector]:
        height = min(height, self._top)
        if height >= _STORED:
            for missing in range(_STORED, height + 1):
                if missing not in self._stored:
                    self._store(missing)
            return self._stored[height]
        count = self.nodes(height)
        n, d = self._kernels.vectors(count), self._kernels.vectors(count)
        name, values, _ = self.values(height, 0)
        self._kernels.run("fractions", f"fraction_nodes_{name}", count, values, count, n, d)
        return n, d

    def layer(self, height: int, point: Sequence[int], mix: int) -> CudaLayer:
        height = min(height, self._top)
        for above in [each for each in self._stored if each > height]:
            del self._stored[above]  # the argument goes from the root down
        if height >= _STORED:
            self.level(height)
        return CudaLayer(self._kernels, self, height, point, mix)

    def values(self, height: int, mix: int) -> tuple[str, Array, Any]:
        """The name of a level's kind, its description on the device, and what has to live as long as that."""
        address = self._kernels.driver.address
        kept: Any
        if height >= _STORED:
            name, kept = "stored", self._stored[height]
            description = [*map(address, kept), self.nodes(height)]
        else:
            name, kept = ("leaves", "first")[height], self._kept
            description = [*map(address, kept), self._leaves]
        numbers = np.array([*words(mix), *description], dtype=np.uint64)
        return name, self._kernels.driver.upload(numbers), kept

    def _store(self, height: int) -> None:
        """Make a level from the one beneath."""
        count = self.nodes(height)
        n, d = self._kernels.vectors(count), self._kernels.vectors(count)
        name, values, _ = self.values(height - 1, 0)
        self._kernels.run("fractions", f"fraction_sums_{name}", count, values, count, n, d)
        self._stored[height] = n, d

    def _special_numerators(self, numerators: Sequence[tuple[int, Vector]]) -> tuple[Array, Array]:
        """Where each tile's numerators are, and those that are kept."""
        place = np.full(-(-self._leaves // _TILE), _UNITS, dtype=np.uint32)
        parts = [(offset, vector) for offset, vector in numerators if len(vector)]
        for offset, vector in parts:
            place[offset // _TILE : (offset + len(vector) - 1) // _TILE + 1] = 0
        kept = np.flatnonzero(place == 0)
        place[kept] = np.arange(len(kept), dtype=np.uint32)
        special = self._xp.repeat(self._kernels.elements([1]), max(1, len(kept)) * _TILE, axis=0)
        for offset, vector in parts:
            start = int(place[offset // _TILE]) * _TILE + offset % _TILE
            special[start : start + len(vector)] = vector
        return self._kernels.driver.upload(place), special


class CudaLayer:
    """A `TreeLayer`."""

    def __init__(
        self, kernels: Kernels, tree: CudaTree, height: int, point: Sequence[int], mix: int
    ) -> None:
        self._kernels, self._point, self._mix = kernels, list(point), mix
        self._kind, self._values, self._kept = tree.values(height, mix)
        self._size = -(-tree.nodes(height) // 2)
        self._bound: Array | None = None
        self._z = kernels.elements(point) if point else kernels.vectors(1)
        blocks_bits = max(0, len(point) - 1 - _BLOCK_BITS)
        self._prefixes = kernels.vectors(2 << blocks_bits)
        kernels.run("vectors", "eq_prefixes", 2 << blocks_bits, self._z, 2 << blocks_bits, self._prefixes)

    def round(self) -> tuple[int, int]:
        pairs = -(-self._size // 2)
        arguments = (self._values, pairs, self._z, len(self._point) - 1, self._prefixes)
        sums = self._kernels.sums("fractions", f"fraction_round_{self._kind}", pairs, 2, *arguments)
        return self._with_dead(sums, pairs)

    def bind(self, challenge: int) -> None:
        source, size, bound = self._next()
        arguments = (*source, size, *words(challenge), bound)
        self._kernels.run("fractions", f"fraction_bind_{self._kind}", size, *arguments)
        self._replace(size, bound)

    def bind_round(self, challenge: int) -> tuple[int, int]:
        source, size, bound = self._next()
        pairs = -(-size // 2)
        arguments = (*source, size, *words(challenge), bound, self._z, len(self._point) - 2, self._prefixes)
        sums = self._kernels.sums("fractions", f"fraction_bind_round_{self._kind}", pairs, 2, *arguments)
        self._replace(size, bound)
        return self._with_dead(sums, pairs)

    def finish(self) -> tuple[int, int, int, int]:
        if self._bound is None:
            self.bind(0)  # a single x: the dead one behind it goes in zero times
        n0, n1, d0, d1 = self._kernels.scalars(self._bound)
        return n0, (n1 - self._mix * d1) % SCALAR_FIELD, d0, d1

    def _next(self) -> tuple[tuple[Any, ...], int, Array]:
        """Where the factors are, how many x there will be, and room for their factors."""
        size = -(-self._size // 2)
        bound = self._kernels.vectors(4 * size)
        if self._bound is None:
            return (self._values,), size, bound
        return (self._bound, self._size, *words(self._mix)), size, bound

    def _replace(self, size: int, bound: Array) -> None:
        self._size, self._bound, self._kind = size, bound, "bound"
        if self._point:
            self._point.pop()

    def _with_dead(self, sums: Sequence[int], pairs: int) -> tuple[int, int]:
        """With what the pairs behind the last one add: G is `mix` there, whatever X is."""
        return (sums[0] + self._mix * _eq_from(self._point[:-1], pairs)) % SCALAR_FIELD, sums[1]


def _eq_from(point: Sequence[int], first: int) -> int:
    """The sum of eq(point, i) for i >= first."""
    bits = len(point)
    if first >> bits:
        return 0
    total, prefix = 0, 1
    for k, z in enumerate(point):
        at_1 = prefix * z % SCALAR_FIELD
        if first >> (bits - 1 - k) & 1:
            prefix = at_1
        else:
            total += at_1
            prefix -= at_1
    return (total + prefix) % SCALAR_FIELD

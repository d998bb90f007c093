"""The fraction tree on a GPU (`prover/kernels/cuda/fractions.cu`).

The levels from one on are kept; those beneath are made of the leaves, which are rows of a table, when their
layer comes. The argument goes from the root down, and drops what it has passed.

If memory is short, fewer levels are kept, and what is beneath them is made in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from prover.cuda.driver import Array
from prover.cuda.kernels import Kernels
from prover.sumcheck.cuda_layer import CudaLayer, Eq, Factors
from prover.sumcheck.cuda_pieces import PiecedLayer
from prover.sumcheck.device import TreeLayer, Vector

_TILE = 256
"""Leaves whose numerators are all 1, or all kept."""
_UNITS = 0xFFFFFFFF


@dataclass(frozen=True)
class Thrift:
    """What a tree keeps.

    Parameters
    ----------
    kept
        The first level that is kept.
    piece
        Leaves of a piece; None for one of all. A power of two of at least 2^(kept + delayed + 9), so that a
        piece begins with a block of threads in every round.
    delayed
        How many variables of a layer in pieces are bound anew for each round.
    """

    kept: int
    piece: int | None = None
    delayed: int = 0


GENEROUS = Thrift(kept=2)
THRIFTY = Thrift(kept=4, piece=1 << 25, delayed=3)


class CudaTree:
    """A `FractionTree`."""

    def __init__(
        self,
        kernels: Kernels,
        rows: Array,
        denominators: Vector,
        numerators: Sequence[tuple[int, Vector]],
        thrift: Thrift = GENEROUS,
    ) -> None:
        self._kernels, self._thrift = kernels, thrift
        self._rows, self._denominators, self._leaves = rows, denominators, len(rows)
        self._place, self._special = self._special_numerators(numerators)
        self._top = max(thrift.kept, (self._leaves - 1).bit_length())
        self._kept: dict[int, tuple[Array, Array]] = {}
        self.level(self._top)

    def level(self, height: int) -> tuple[Vector, Vector]:
        height = min(height, self._top)
        if height < self._thrift.kept:
            return self._made(height)
        for missing in range(self._thrift.kept, height + 1):
            if missing not in self._kept:
                below = self._kept.get(missing - 1)
                self._kept[missing] = self._made(missing) if below is None else self._sums(below)
        return self._kept[height]

    def layer(self, height: int, point: Sequence[int], mix: int) -> TreeLayer:
        height = min(height, self._top)
        for above in [each for each in self._kept if each > height]:
            del self._kept[above]
        eq, left = Eq(self._kernels, point), len(point)
        if height < self._thrift.kept and self._thrift.piece is not None:
            size = -(-self._nodes(height, self._leaves) // 2)

            def pieces() -> Iterator[Factors]:
                return (self._factors(height, start, count, mix) for start, count in self._pieces())

            return PiecedLayer(self._kernels, pieces, size, mix, eq, left, self._thrift.delayed)
        if height < self._thrift.kept:
            return CudaLayer(self._factors(height, 0, self._leaves, mix), eq, left)
        return CudaLayer(self._of_nodes(self.level(height), mix), eq, left)

    def _factors(self, height: int, start: int, count: int, mix: int) -> Factors:
        """The factors of some leaves, or of a level above them."""
        if height:
            return self._of_nodes(self._above_leaves(height, start, count), mix)
        return self._of_leaves(start, count, mix)

    def _of_leaves(self, start: int, count: int, mix: int = 0) -> Factors:
        """`start` is the first of a tile."""
        rows, place = self._rows[start : start + count], self._place[start // _TILE :]
        arrays = (rows, self._denominators, place, self._special)
        return Factors.of_level(self._kernels, "leaves", arrays, count, mix)

    def _of_nodes(self, nodes: tuple[Array, Array], mix: int = 0) -> Factors:
        return Factors.of_level(self._kernels, "stored", nodes, len(nodes[0]), mix)

    def _made(self, height: int) -> tuple[Array, Array]:
        """A level, made from the leaves."""
        pieces = [self._above_leaves(height, *piece) for piece in self._pieces()]
        if len(pieces) == 1:
            return pieces[0]
        xp = self._kernels.xp
        return xp.concatenate([n for n, _ in pieces]), xp.concatenate([d for _, d in pieces])

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """The first leaf of each piece, and how many there are."""
        length = self._thrift.piece or self._leaves
        for start in range(0, self._leaves, length):
            yield start, min(length, self._leaves - start)

    def _above_leaves(self, height: int, start: int, count: int) -> tuple[Array, Array]:
        """The nodes of a level above some leaves."""
        leaves = self._of_leaves(start, count)
        if height == 0:
            return self._run("fraction_nodes", leaves, count)
        nodes = self._run("fraction_sums_leaves", leaves, self._nodes(1, count))
        for _ in range(height - 1):
            nodes = self._sums(nodes)
        return nodes

    def _sums(self, below: tuple[Array, Array]) -> tuple[Array, Array]:
        """The level above some nodes."""
        return self._run("fraction_sums_stored", self._of_nodes(below), self._nodes(1, len(below[0])))

    def _run(self, kernel: str, factors: Factors, count: int) -> tuple[Array, Array]:
        n, d = self._kernels.vectors(count), self._kernels.vectors(count)
        self._kernels.run("fractions", kernel, count, *factors.arguments, count, n, d)
        return n, d

    @staticmethod
    def _nodes(height: int, leaves: int) -> int:
        """How many nodes of a level stand above so many leaves."""
        return -(-leaves // (1 << height))

    def _special_numerators(self, numerators: Sequence[tuple[int, Vector]]) -> tuple[Array, Array]:
        """Where each tile's numerators are, and those that are kept."""
        place = np.full(-(-self._leaves // _TILE), _UNITS, dtype=np.uint32)
        parts = [(offset, vector) for offset, vector in numerators if len(vector)]
        for offset, vector in parts:
            place[offset // _TILE : (offset + len(vector) - 1) // _TILE + 1] = 0
        kept = np.flatnonzero(place == 0)
        place[kept] = np.arange(len(kept), dtype=np.uint32)
        ones = self._kernels.elements([1])
        special = self._kernels.xp.repeat(ones, max(1, len(kept)) * _TILE, axis=0)
        for offset, vector in parts:
            start = int(place[offset // _TILE]) * _TILE + offset % _TILE
            special[start : start + len(vector)] = vector
        return self._kernels.driver.upload(place), special

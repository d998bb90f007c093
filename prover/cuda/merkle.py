"""Merkle trees on a GPU (`prover/kernels/cuda/merkle.cu`), byte for byte those of `circuits.merkle` over the
leaves of `circuits.packing`.

Leaves are never written out: cells are hashed as they lie in the GPU's memory, 32 bytes stay of 128, and of a
tree only its root comes back.
"""

from __future__ import annotations

import numpy as np

from circuits.merkle import EMPTY_LEAF_HASH, HASH_BYTES, depth_of, empty_roots
from circuits.records import leaves_of
from prover.cuda.driver import THREADS, Array
from prover.cuda.kernels import Kernels, integer_name

_HASH_WORDS = HASH_BYTES // 8
_MOST_AT_THE_TOP = 2 * THREADS
"""Nodes above which one block makes all levels."""
_ALIGNMENT = 8
"""Bytes. A GPU loads words from multiples of their size alone."""


class Merkle:
    """Trees over tensors in a GPU's memory."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels, self._driver, self._xp = kernels, kernels.driver, kernels.xp

    def hashes(self, leaves: int) -> Array:
        """Room for the hashes of so many leaves, 32 bytes each: uint64 [leaves, 4]."""
        return self._xp.empty((leaves, _HASH_WORDS), dtype=np.uint64)

    def hash_tensor(self, cells: Array, hashes: Array, first: int) -> None:
        """Put the leaf hashes of a tensor in their place among a tree's.

        Parameters
        ----------
        cells
            Integers of any shape, packed row-major, each of as many bytes as its type has.
        hashes
            uint64 [leaves, 4].
        first
            The tensor's first leaf.
        """
        cells = self._xp.ascontiguousarray(cells).reshape(-1)
        if self._driver.address(cells) % _ALIGNMENT:  # a part of another tensor
            cells = cells.copy()
        leaves = leaves_of(len(cells), cells.dtype.itemsize)
        out = hashes[first : first + leaves]
        self._kernels.run("merkle", f"hash_{integer_name(cells.dtype)}", leaves, cells, len(cells), out)

    def root(self, hashes: Array) -> bytes:
        """The root over leaf hashes, uint64 [leaves, 4]; 32 bytes."""
        if not len(hashes):
            return EMPTY_LEAF_HASH
        roots = b"".join(empty_roots(EMPTY_LEAF_HASH, depth_of(len(hashes))))
        paddings = self._driver.upload(np.frombuffer(roots, np.uint64).reshape(-1, _HASH_WORDS))
        while len(hashes) > _MOST_AT_THE_TOP:
            parents = self.hashes(-(-len(hashes) // 2))
            self._kernels.run("merkle", "hash_pairs", len(parents), hashes, len(hashes), paddings, parents)
            hashes, paddings = parents, paddings[1:]
        root = self.hashes(1)
        self._driver.launch("merkle", "hash_top", 1, hashes, len(hashes), paddings, root)
        return self._driver.download(root).tobytes()

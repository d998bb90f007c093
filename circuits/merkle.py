"""Merkle trees over 128-byte leaves (weights, trace, inputs) or over op records.

    leaf hash  = keccak256(0x00 || leaf)
    inner node = keccak256(0x01 || left || right)

The number of leaves is padded to a power of two with empty leaves: 128 zero bytes, or empty records. A tree
of one leaf has depth 0 and is its leaf's hash; no leaves at all count as one empty leaf. The two prefixes
keep an inner node from being passed off as a leaf.
"""

from collections.abc import Sequence

import numpy as np
from eth_hash.auto import keccak
from numpy.typing import NDArray

from circuits import _kernels
from circuits.errors import InputError

LEAF_BYTES = 128
HASH_BYTES = 32
EMPTY_LEAF_HASH = keccak(b"\x00" + bytes(LEAF_BYTES))
EMPTY_RECORD_HASH = keccak(b"\x00")
THREADS = 2


def hash_leaves(leaves: NDArray[np.uint8], threads: int = THREADS) -> NDArray[np.uint8]:
    """Hash leaves, uint8 [n, 128], to leaf hashes, uint8 [n, 32].

    A trace too large to hold as leaves can be hashed piece by piece and the pieces concatenated.

    Raises
    ------
    InputError
        If `leaves` has another shape or dtype.
    """
    if leaves.dtype != np.uint8 or leaves.ndim != 2 or leaves.shape[1] != LEAF_BYTES:
        raise InputError(f"leaves must be uint8 [n, {LEAF_BYTES}], not {leaves.dtype} {list(leaves.shape)}")
    return _kernels.hash_leaves(np.ascontiguousarray(leaves), threads=threads)


def depth_of(leaves: int) -> int:
    """The depth of a tree of so many leaves."""
    return max(leaves - 1, 0).bit_length()


def empty_roots(padding: bytes, depth: int) -> list[bytes]:
    """The roots of trees of empty leaves alone, of depth 0, the hash of an empty leaf, to `depth`."""
    roots = [padding]
    for _ in range(depth):
        roots.append(keccak(b"\x01" + roots[-1] + roots[-1]))
    return roots


def merkle_roots(leaves: NDArray[np.uint8], threads: int = THREADS) -> NDArray[np.uint8]:
    """The roots of many trees of one size, each as `MerkleTree.of_leaves` has it.

    Parameters
    ----------
    leaves
        uint8 [trees, n, 128], neither 0.

    Returns
    -------
    NDArray[np.uint8]
        uint8 [trees, 32].
    """
    trees, count = leaves.shape[:2]
    level = hash_leaves(leaves.reshape(-1, LEAF_BYTES), threads).reshape(trees, count, HASH_BYTES)
    for padding in empty_roots(EMPTY_LEAF_HASH, depth_of(count))[:-1]:
        if level.shape[1] % 2:
            last = np.broadcast_to(np.frombuffer(padding, np.uint8), (trees, 1, HASH_BYTES))
            level = np.concatenate([level, last], axis=1)
        level = _kernels.hash_pairs(level.reshape(-1, 2 * HASH_BYTES), threads=threads)
        level = level.reshape(trees, -1, HASH_BYTES)
    return level[:, 0]


class MerkleTree:
    """A Merkle tree that keeps every node, so that any leaf can be opened and any level revealed.

    Parameters
    ----------
    leaf_hashes
        uint8 [n, 32], n >= 0. The tree keeps a reference to it, not a copy.
    padding
        The hash of an empty leaf, 32 bytes.
    threads
        How many threads hash the inner nodes.
    """

    def __init__(
        self, leaf_hashes: NDArray[np.uint8], padding: bytes = EMPTY_LEAF_HASH, threads: int = THREADS
    ) -> None:
        if leaf_hashes.dtype != np.uint8 or leaf_hashes.ndim != 2 or leaf_hashes.shape[1] != HASH_BYTES:
            found = f"{leaf_hashes.dtype} {list(leaf_hashes.shape)}"
            raise InputError(f"leaf hashes must be uint8 [n, {HASH_BYTES}], not {found}")
        self.leaf_count = len(leaf_hashes)
        self.depth = depth_of(self.leaf_count)
        # Level h holds the 2^(depth-h) nodes of height h, less those to the right that cover padding alone:
        # these are all equal, and stand once in _padding[h].
        self._levels = [np.ascontiguousarray(leaf_hashes)]
        self._padding = empty_roots(padding, self.depth)
        for height in range(self.depth):
            self._climb(height, threads)

    def _climb(self, height: int, threads: int) -> None:
        level = self._levels[height]
        if len(level) % 2:
            padding = np.frombuffer(self._padding[height], np.uint8)
            level = np.concatenate([level, padding[np.newaxis]])
        self._levels.append(_kernels.hash_pairs(level.reshape(-1, 2 * HASH_BYTES), threads=threads))

    @classmethod
    def of_leaves(cls, leaves: NDArray[np.uint8], threads: int = THREADS) -> "MerkleTree":
        """Build the tree over leaves, uint8 [n, 128]."""
        return cls(hash_leaves(leaves, threads), threads=threads)

    @classmethod
    def of_records(cls, records: Sequence[bytes]) -> "MerkleTree":
        """Build the tree over records of any length."""
        hashes = b"".join(keccak(b"\x00" + record) for record in records)
        return cls(np.frombuffer(hashes, np.uint8).reshape(-1, HASH_BYTES), padding=EMPTY_RECORD_HASH)

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self.node(self.depth, 0)

    def node(self, height: int, index: int) -> bytes:
        """Return the node `index` places from the left at `height` above the leaves, 32 bytes.

        Raises
        ------
        InputError
            If there is no such node.
        """
        if not 0 <= height <= self.depth or not 0 <= index < 1 << (self.depth - height):
            raise InputError(f"a Merkle tree of depth {self.depth} has no node {index} at height {height}")
        level = self._levels[height]
        return level[index].tobytes() if index < len(level) else self._padding[height]

    def open(self, index: int) -> list[bytes]:
        """Return the siblings on the way from leaf `index` to the root, in climbing order, 32 bytes each.

        Padding can be opened too.

        Raises
        ------
        InputError
            If there is no such leaf.
        """
        if not 0 <= index < 1 << self.depth:
            raise InputError(f"a Merkle tree of depth {self.depth} has no leaf {index}")
        return [self.node(height, (index >> height) ^ 1) for height in range(self.depth)]


def verify_opening(root: bytes, depth: int, index: int, leaf_hash: bytes, siblings: Sequence[bytes]) -> bool:
    """Whether `siblings` lead from the hash of leaf `index` to the root of a tree of this depth.

    `depth` comes from the circuit's header, never from whoever made the opening: an opening of another
    length, or of a leaf outside the tree, is false.
    """
    if len(siblings) != depth or not 0 <= index < 1 << depth:
        return False
    node = leaf_hash
    for height, sibling in enumerate(siblings):
        pair = sibling + node if index >> height & 1 else node + sibling
        node = keccak(b"\x01" + pair)
    return node == root

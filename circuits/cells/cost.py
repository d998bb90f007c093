"""What it costs to recompute one cell in a transaction, from above.

    bytes = fixed part + record + sum over the ranges of all views of 128 * leaves + 32 * siblings
    siblings of a range = 28 for one leaf, 30 + log2(leaves) for more
    gas   = fixed part + 64 * bytes + 250 * (leaves + siblings) + 2,000 * ranges + 4,000 * views
            + 150 * elements

A view's reads are opened as ranges of whole leaves; two reads at most `JOIN_BYTES` apart share a range,
which is cheaper than the siblings of two. Every range is taken to lie as badly across leaves as it can and to
be opened on its own, up to the root of a tree of the greatest depth allowed. A contract that shares an
anchor, or a node, between ranges is cheaper. 64 gas a byte is the highest price of calldata now under
discussion; 150 gas an element is an interpreted product with its decoding. Guards are ignored: they only take
reads away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuits.cells.accesses import Access
from circuits.cells.terms import Term
from circuits.merkle import HASH_BYTES, LEAF_BYTES
from circuits.records import HEADER_BYTES, VIEW_BYTES

MAX_BYTES = 96 * 1024
MAX_GAS = 12_000_000
MAX_DEPTH = 28
"""Of the trees of trace, weights and inputs: 32 GiB each."""
JOIN_BYTES = 8 * LEAF_BYTES

FIXED_BYTES = LEAF_BYTES + HASH_BYTES * 2 * MAX_DEPTH
"""The disputed leaf with its siblings, and the record's."""
FIXED_GAS = 150_000
BYTE_GAS = 64
HASH_GAS = 250
RANGE_GAS = 2_000
VIEW_GAS = 4_000
ELEMENT_GAS = 150
MOST_READS = 1 << 17
"""More reads than this in one view never fit: they are not counted."""


@dataclass(frozen=True)
class Cost:
    """Of the opening of one cell's operands."""

    leaves: int
    siblings: int
    ranges: int
    views: int
    elements: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.leaves + other.leaves, self.siblings + other.siblings, self.ranges + other.ranges,
            self.views + other.views, self.elements + other.elements,
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        """What is sent to the contract."""
        record = HEADER_BYTES + VIEW_BYTES * self.views
        return FIXED_BYTES + record + LEAF_BYTES * self.leaves + HASH_BYTES * self.siblings

    @property
    def gas(self) -> int:
        """What the transaction takes."""
        hashes = HASH_GAS * (self.leaves + self.siblings)
        work = RANGE_GAS * self.ranges + VIEW_GAS * self.views + ELEMENT_GAS * self.elements
        return FIXED_GAS + BYTE_GAS * self.bytes + hashes + work

    @property
    def fits(self) -> bool:
        """Whether a cell can be disputed in one transaction."""
        return self.bytes <= MAX_BYTES and self.gas <= MAX_GAS


NOTHING = Cost(0, 0, 0, 0, 0)


def cost_of(terms: Sequence[Term]) -> Cost:
    """The cost of the dearest cell whose operands are `terms`."""
    return sum((term_cost(term) for term in terms), NOTHING)


def term_cost(term: Term) -> Cost:
    """The cost of one term."""
    return sum((access_cost(access) for access in term.accesses), NOTHING)


def access_cost(access: Access) -> Cost:
    """The cost of all reads of one operand of a cell."""
    elements = math.prod(digit.size for digit in access.inner)
    lengths = _range_bytes(access)
    if lengths is None:
        return Cost(MOST_READS, 0, 1, 1, elements)
    # worst alignment: a range of n bytes, aligned to its elements, touches this many leaves
    leaves = (lengths + (2 * LEAF_BYTES - 1 - access.tensor.width)) // LEAF_BYTES
    siblings = MAX_DEPTH + 2 + np.ceil(np.log2(leaves)).astype(np.int64)
    siblings[leaves == 1] = MAX_DEPTH
    return Cost(int(leaves.sum()), int(siblings.sum()), len(lengths), 1, elements)


def _range_bytes(access: Access) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """The lengths of the byte ranges that one cell reads; None if they are too many to count."""
    digits = [(digit.size, abs(digit.steps[0])) for digit in access.inner if digit.steps[0]]
    if math.prod(size for size, _ in digits) > MOST_READS:
        return None
    offsets = np.zeros(1, np.int64)
    for size, step in digits:  # a negative step mirrors the pattern of reads, which changes no length
        offsets = (offsets[:, None] + np.arange(size, dtype=np.int64) * step).ravel()
    starts = np.unique(offsets) * access.tensor.width
    breaks = np.flatnonzero(np.diff(starts) > JOIN_BYTES)
    first = starts[np.concatenate(([0], breaks + 1))]
    last = starts[np.concatenate((breaks, [len(starts) - 1]))]
    lengths: np.ndarray[tuple[int], np.dtype[np.int64]] = last - first + access.tensor.width
    return lengths

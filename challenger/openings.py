"""Builds the openings of what a cell reads, as the contract takes them (`docs/trace.md`, "Openings").

Nodes and leaves come from a source: a tree of one's own, or another's as far as it was revealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from challenger.reads import Addresses, Reads, cell_reads, view_reads
from circuits.cells.cost import JOIN_BYTES, MAX_BYTES
from circuits.errors import InputError
from circuits.merkle import LEAF_BYTES, MerkleTree
from circuits.packing import Leaves
from circuits.records import Kind, Record, Region, decode

REGIONS = (Region.TRACE, Region.INPUT, Region.WEIGHTS)
JOINED = JOIN_BYTES // LEAF_BYTES
"""Leaves between two reads that are opened together whatever they cost."""
FEW = 64
"""As long as there are no more ranges than this, only leaves that touch share one: fewer bytes, but the
contract looks addresses up range by range."""
NO_PLACE = (1 << 32) - 1
"""Stands for the place of a cell that an order among too few lacks."""


class Source(Protocol):
    """A tree whose leaves have 128 bytes, or the part of it that an opening takes."""

    @property
    def depth(self) -> int:
        """Of the tree."""

    def node(self, height: int, index: int) -> bytes:
        """The hash of a node, counted from the left, `height` levels above the leaves."""

    def leaf(self, first: int, count: int) -> bytes:
        """The bytes of `count` leaves."""


@dataclass(frozen=True, eq=False)
class Tree:
    """A source of one's own: all leaves and all nodes are there."""

    leaves: Leaves
    tree: MerkleTree

    @classmethod
    def of(cls, leaves: Leaves) -> Tree:
        """Build the tree over leaves, uint8 [n, 128]."""
        return cls(leaves, MerkleTree.of_leaves(leaves))

    @property
    def depth(self) -> int:
        """Of the tree."""
        return self.tree.depth

    @property
    def root(self) -> bytes:
        """Of the tree, 32 bytes."""
        return self.tree.root

    def node(self, height: int, index: int) -> bytes:
        """The hash of a node, counted from the left, `height` levels above the leaves.

        Raises
        ------
        InputError
            If there is no such node.
        """
        return self.tree.node(height, index)

    def leaf(self, first: int, count: int) -> bytes:
        """The bytes of `count` leaves. Leaves of padding are zeros."""
        return self.leaves[first : first + count].tobytes().ljust(count * LEAF_BYTES, b"\0")


@dataclass(frozen=True, eq=False)
class Ranges:
    """Leaves of one tree, as ranges that rise and leave at least one leaf between them."""

    first: NDArray[np.int64]
    count: NDArray[np.int64]
    data: bytes
    """All their leaves, back to back."""

    @classmethod
    def covering(cls, source: Source, addresses: Addresses) -> Ranges:
        """The ranges that hold the elements at these byte addresses.

        Raises
        ------
        InputError
            If an address lies outside the tree, or the leaves are too many for a transaction.
        """
        leaves = np.unique(addresses // LEAF_BYTES)
        if len(leaves) and not (0 <= leaves[0] and leaves[-1] < 1 << source.depth):
            raise InputError(f"a cell reads outside a tree of depth {source.depth}")
        gaps = np.diff(leaves) - 1
        apart = gaps > 0
        if np.count_nonzero(apart) >= FEW:
            apart = gaps >= JOINED
        breaks = np.flatnonzero(apart)
        first = leaves[np.concatenate(([0], breaks + 1))] if len(leaves) else leaves
        last = leaves[np.concatenate((breaks, [len(leaves) - 1]))] if len(leaves) else leaves
        if (size := LEAF_BYTES * int((last - first + 1).sum())) > MAX_BYTES:
            raise InputError(f"a cell reads leaves of {size} bytes, over the limit of {MAX_BYTES}")
        pairs = zip(first.tolist(), (last - first + 1).tolist(), strict=True)
        data = b"".join(source.leaf(start, count) for start, count in pairs)
        return cls(first, last - first + 1, data)

    def elements(self, addresses: Addresses, width: int) -> NDArray[np.int64]:
        """The signed elements at addresses that are covered, int64."""
        if not len(addresses):
            return np.zeros(0, np.int64)
        place = np.searchsorted(self.first * LEAF_BYTES, addresses, side="right") - 1
        skipped = np.concatenate(([0], np.cumsum(self.count)))[place] - self.first[place]
        start = (addresses + skipped * LEAF_BYTES) // width
        found: NDArray[np.int64] = np.frombuffer(self.data, f">i{width}")[start].astype(np.int64)
        return found


def open_ranges(source: Source, addresses: Addresses) -> bytes:
    """Open the leaves that hold the elements at these byte addresses, in any order.

    Raises
    ------
    InputError
        If an address lies outside the tree, or the source lacks a leaf or a node.
    """
    return _opening(source, Ranges.covering(source, addresses))


def open_leaf(source: Source, index: int, levels: int) -> bytes:
    """One leaf and its siblings on the way up, in climbing order, as far as `levels`.

    Raises
    ------
    InputError
        If there is no such leaf, or the source lacks it or a node.
    """
    if not 0 <= index < 1 << source.depth or not 0 <= levels <= source.depth:
        raise InputError(
            f"leaf {index} cannot be opened over {levels} levels of a tree of depth {source.depth}"
        )
    siblings = (source.node(height, (index >> height) ^ 1) for height in range(levels))
    return source.leaf(index, 1) + b"".join(siblings)


def operands_of(record: bytes | Record, index: int, sources: Mapping[Region, Source]) -> bytes:
    """Open everything that the contract needs to recompute one cell.

    Parameters
    ----------
    record
        Of the cell's tensor, or its bytes.
    index
        The cell's row-major index.
    sources
        Of trace, inputs and weights.

    Raises
    ------
    CircuitError
        If the record's bytes are not one.
    InputError
        If there is no such cell, a source lacks what it reads, or the result would be too long for a
        transaction.
    """
    if isinstance(record, bytes):
        record = decode(record)
    ranges = _ranges(record, index, sources)
    place = b""
    if record.kind is Kind.LOOKUP:
        row = _row(record, index, ranges)
        if row is not None:
            ranges = _ranges(record, index, sources, row)
    elif record.kind is Kind.ORDER:
        place = _place(record, index, ranges).to_bytes(4, "big")
    operands = b"".join(_opening(sources[region], ranges[region]) for region in REGIONS) + place
    if len(operands) > MAX_BYTES:
        raise InputError(
            f"the openings of cell {index} take {len(operands)} bytes, over the limit of {MAX_BYTES}"
        )
    return operands


def _ranges(
    record: Record, index: int, sources: Mapping[Region, Source], row: int | None = None
) -> dict[Region, Ranges]:
    addresses = cell_reads(record, index, row)
    none = np.zeros(0, np.int64)
    return {region: Ranges.covering(sources[region], addresses.get(region, none)) for region in REGIONS}


def _opening(source: Source, ranges: Ranges) -> bytes:
    """Ranges, their leaves, and the siblings that lead to the root."""
    if not len(ranges.first):
        return b"\0\0"
    runs = [
        (first, first + count - 1)
        for first, count in zip(ranges.first.tolist(), ranges.count.tolist(), strict=True)
    ]
    head = b"".join(first.to_bytes(6, "big") + (last - first + 1).to_bytes(2, "big") for first, last in runs)
    siblings = []
    for height in range(source.depth):
        above: list[tuple[int, int]] = []
        for first, last in runs:
            if first % 2:
                siblings.append(source.node(height, first - 1))
            if last % 2 == 0:
                siblings.append(source.node(height, last + 1))
            first, last = first // 2, last // 2
            if above and above[-1][1] + 1 == first:
                first = above.pop()[0]
            above.append((first, last))
        runs = above
    return len(ranges.first).to_bytes(2, "big") + head + ranges.data + b"".join(siblings)


def _operands(reads: Reads, ranges: Mapping[Region, Ranges]) -> NDArray[np.int64]:
    """The operand at every reduction index, also where it is left out."""
    view = reads.view
    operands = np.full(len(reads.addresses), view.fill, np.int64)
    operands[reads.allowed] = ranges[view.region].elements(reads.read, view.width)
    return operands


def _row(record: Record, index: int, ranges: Mapping[Region, Ranges]) -> int | None:
    """The row of a LOOKUP, if its operands come to one."""
    row = -record.lo
    for term in record.terms[:-1]:
        # 64-bit operands may be anything: their products need Python's integers
        factors = [_operands(view_reads(record, view, index), ranges).astype(object) for view in term]
        products = factors[0] * factors[1] if len(factors) == 2 else factors[0]
        row += term[0].coefficient * int(products.sum())
    return row if 0 <= row < record.mul else None


def _place(record: Record, index: int, ranges: Mapping[Region, Ranges]) -> int:
    """The place of the cell that an ORDER asks for."""
    (view,) = record.views
    reads = view_reads(record, view, index)
    operands = _operands(reads, ranges)
    # falling value; ~v falls as v rises, and unlike -v it cannot overflow
    sign = (view.coefficient > 0) - (view.coefficient < 0)
    keys = ~operands if sign > 0 else operands if sign < 0 else np.zeros_like(operands)
    left = np.flatnonzero(reads.allowed) if view.skip else np.arange(len(operands))
    rank = index // record.mul % record.hi
    if rank >= len(left):
        return NO_PLACE
    return int(left[np.argsort(keys[left], kind="stable")[rank]])

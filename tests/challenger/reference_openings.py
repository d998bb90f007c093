"""Openings read as `docs/trace.md` describes them, node by node."""

from __future__ import annotations

from dataclasses import dataclass

from eth_hash.auto import keccak

from circuits.merkle import LEAF_BYTES


@dataclass(frozen=True)
class Opened:
    """What an opening shows."""

    root: bytes | None
    """None if nothing is opened."""
    ranges: list[tuple[int, int]]
    """First leaf and number of leaves."""
    leaves: dict[int, bytes]


class Reader:
    """Takes openings off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        assert size <= len(self.data), "the opening is too short"
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def opening(self, depth: int) -> Opened:
        """The opening of one tree."""
        ranges = [(self.number(6), self.number(2)) for _ in range(self.number(2))]
        behind = -1
        for first, count in ranges:
            assert first > behind and count >= 1, "ranges rise, and leave a leaf between them"
            behind = first + count
        assert behind <= 1 << depth
        leaves = {first + i: self.take(LEAF_BYTES) for first, count in ranges for i in range(count)}
        if not leaves:
            return Opened(None, [], {})
        level = {index: keccak(b"\0" + leaf) for index, leaf in leaves.items()}
        for _ in range(depth):
            wanted = sorted({index ^ 1 for index in level} - set(level))
            level |= {index: self.take(32) for index in wanted}
            level = {i // 2: keccak(b"\1" + level[i] + level[i + 1]) for i in sorted(level) if i % 2 == 0}
        assert list(level) == [0]
        return Opened(level[0], ranges, leaves)
